using System.CommandLine;
using Compare;
using FluentAssertions;
using LanguageModel;
using Xunit;

namespace LowRankTraining.Samples.Tests.Comparing;

public class CompareCommandTests
{
    [Theory]
    [InlineData("--tokens 20000", "--tokens must be at least 32768, which is 16 steps of 8 × 256 (is 20000).")]
    [InlineData("--batch 1 --seq 64 --tokens 1024 --tune --tune-tokens 5", "--tune-tokens must be at least 1024, which is 16 steps of 1 × 64 (is 5).")]
    public void Too_few_tokens_are_told_with_how_many_are_enough(string arguments, string message) => Refused(arguments, message);

    [Fact]
    public void Rate_of_a_method_that_is_not_compared_is_refused() =>
        Refused("--methods fira --lr fira=1e-2 galore=1e-2", "--lr gives a rate for galore, which is not among the methods that are compared.");

    private static void Refused(string arguments, string message) =>
        FluentActions.Invoking(() => CompareCommand.Create().Parse(arguments).Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false }))
            .Should().Throw<UserException>().WithMessage(message);
}
