using CustomStrategy;
using FluentAssertions;
using Microsoft.Extensions.Options;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Samples.Tests.CustomStrategies;

public class RandomSignTests
{
    [Fact]
    public void Method_from_another_assembly_trains_and_resumes_bit_for_bit()
    {
        using var folder = new TemporaryFolder();

        var (first, last, resumed) = Walkthrough.Run(new RandomSign { Rank = 16, RefreshEvery = 30 }, learningRate: 0.01, folder.Path, TextWriter.Null);

        last.Should().BeLessThan(0.8f * first);
        resumed.Should().Be(last);
    }

    [Fact]
    public void Its_options_are_checked_with_those_of_the_base()
    {
        using var model = nn.Linear(4, 4);
        var attach = () => new RandomSign { Filled = 0, Rank = 0 }.Attach(model);

        attach.Should().Throw<OptionsValidationException>().WithMessage("*RandomSign.Rank*RandomSign.Filled is 0: it must be above 0 and at most 1.*");
    }

    [Fact]
    public void Its_projection_keeps_lengths_on_average()
    {
        using var scope = NewDisposeScope();
        var step = new StepContext { Step = 1, Seed = 7, Parameter = "weight" };
        var basis = new RandomSignBasis().Draw(zeros(1), 400, 300, step);

        basis.square().sum(1).mean().ToSingle().Should().BeApproximately(1, 0.02f);
        basis.ne(0).to(float32).mean().ToSingle().Should().BeApproximately(1 / 3f, 0.01f);
        basis.sum().ToSingle().Should().BeInRange(-40, 40);
    }
}
