using FluentAssertions;
using LowRankTraining.Mixing;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Mixing;

/// <summary>Processes that see parts of the same batches learn alike.</summary>
public class SeveralProcessesTests
{
    [Fact]
    public void Reward_is_that_of_the_whole_batches() => InProcessWorld.Run(2, world =>
    {
        using var scope = NewDisposeScope();
        using var weight = new Parameter(zeros(2));
        using var mixer = Mixer(weight, world);
        float[][] first = [[2, 4], [4, 4]], second = [[8, 5], [8, 7]];

        Update(mixer, weight, "a", first[world.Rank]);
        Update(mixer, weight, "b", second[world.Rank]);

        mixer.Mixture[0].Reward.Should().Be(48, "the means are (3, 4) and (8, 6)");
    });

    [Fact]
    public void Different_sources_are_refused()
    {
        var run = () => InProcessWorld.Run(2, world =>
        {
            using var scope = NewDisposeScope();
            using var weight = new Parameter(zeros(2));
            using var mixer = Mixer(weight, world);
            Update(mixer, weight, world.Rank == 0 ? "a" : "b", [1, 2]);
        });
        run.Should().Throw<InvalidOperationException>().WithMessage("The processes have drawn from different sources*");
    }

    private static GradientAlignmentMixer Mixer(Parameter weight, ICollective world) =>
        new(["a", "b"], GradientView.Of([weight]), new() { Normalize = false, Warmup = 0 }, world);

    private static void Update(GradientAlignmentMixer mixer, Parameter weight, string source, float[] gradient)
    {
        weight.grad = null;
        mixer.Observe(source, () => weight.grad = tensor(gradient));
        mixer.Update();
    }
}
