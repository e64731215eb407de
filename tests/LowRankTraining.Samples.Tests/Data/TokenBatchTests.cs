using FluentAssertions;
using LanguageModel.Data;
using Xunit;

namespace LowRankTraining.Samples.Tests.Data;

public class TokenBatchTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(5)]
    public void Parts_of_several_processes_are_the_batch(int parts)
    {
        var batch = new TokenBatch(5, 2, [.. Enumerable.Range(0, 10).Select(token => (long)token)], [.. Enumerable.Range(1, 10).Select(token => (long)token)]);

        var taken = Enumerable.Range(0, parts).Select(part => batch.Part(part, parts)).ToArray();

        taken.SelectMany(part => part.Inputs).Should().Equal(batch.Inputs);
        taken.SelectMany(part => part.Targets).Should().Equal(batch.Targets);
        taken.Should().OnlyContain(part => part.Rows > 0).And.OnlyContain(part => part.Counted == part.Rows * part.Length);
        taken.Sum(part => part.Tokens).Should().Be(batch.Tokens);
    }
}
