using Compare.Runs;
using FluentAssertions;
using Xunit;

namespace LowRankTraining.Samples.Tests.Comparing;

public class ProcessEndTests
{
    [Theory]
    [InlineData(137, "killed*memory")]
    [InlineData(139, "crashed*segmentation fault")]
    [InlineData(134, "aborted")]
    [InlineData(3, "exit code 3")]
    [InlineData(unchecked((int)0xC0000005), "crashed*access violation")]
    [InlineData(unchecked((int)0xC0000409), "aborted")]
    [InlineData(unchecked((int)0xC000012D), "memory ran out")]
    public void End_is_told_in_words(int exitCode, string words) => ProcessEnd.Describe(exitCode, []).Should().Match($"*{words}*");

    [Fact]
    public void What_was_said_of_the_reason_is_told_rather_than_what_followed_it() =>
        ProcessEnd.Describe(134, ["terminate called after throwing an instance of 'c10::Error'", "  what():  no room", "frame #0: somewhere"])
            .Should().Be("its process aborted: what():  no room");

    [Fact]
    public void Else_the_last_line_is_told() => ProcessEnd.Describe(1, ["first", "last", ""]).Should().EndWith(": last");
}
