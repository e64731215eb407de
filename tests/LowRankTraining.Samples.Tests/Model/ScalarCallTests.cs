using FluentAssertions;
using LanguageModel.Model;
using LowRankTraining.Tests.Architecture;
using Xunit;

namespace LowRankTraining.Samples.Tests.Model;

/// <summary>The samples' models train beside a thread that draws progress.</summary>
public class ScalarCallTests
{
    [Fact]
    public void Models_and_training_hold_the_numbers_that_native_code_reads() =>
        LooseScalars.In(typeof(Llama).Assembly).Should().BeEmpty(LooseScalars.Because);
}
