using LowRankTraining.Schedules;
using LowRankTraining.Strategies;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Scenarios;

/// <summary>What happens in a run: drawn beforehand, so that it can happen twice.</summary>
internal sealed record RandomScript
{
    public required ScalarType Dtype { get; init; }

    /// <value>The dtype of the model that is saved in the second run and loaded into another; null for the same.</value>
    public ScalarType? ResumedAs { get; init; }

    public required GradientFlow Flow { get; init; }

    public Shape Model { get; init; }

    /// <value>What the learning rate follows; saved and resumed with the run.</value>
    public ILrSchedule? Schedule { get; init; }

    /// <value>Whether the second run binds it when it has been loaded already, and not before.</value>
    public bool BindsLate { get; init; }

    /// <value>What the model grows on its way, in a group of its own.</value>
    public Growth? Grown { get; init; }

    /// <value>Whether the second run starts its factors from gradients before the saved ones are loaded.</value>
    public bool StartsTwice { get; init; }

    /// <value>Largest norm for what is updated in the backward pass.</value>
    public double? ClipByLastNorm { get; init; }

    /// <value>Whether a mixer decides which data a micro-batch is.</value>
    public bool Mixes { get; init; }

    public required double WeightDecay { get; init; }

    /// <value>Whether the loss is scaled, by a number that changes on the way.</value>
    public required bool ScalesLoss { get; init; }

    public required IReadOnlyList<Step> Steps { get; init; }

    /// <value>The step before whose end the second run is saved, ended and taken up again.</value>
    public required int Interrupted { get; init; }

    /// <value>Whether that is after the first of several micro-batches.</value>
    public required bool WithinWindow { get; init; }

    public override string ToString()
    {
        var (scaled, within, mixes, late, twice) = (ScalesLoss ? " scaled" : "", WithinWindow ? " within" : "", Mixes ? " mixed" : "",
            BindsLate ? " late" : "", StartsTwice ? ", started twice" : "");
        return $"{Dtype} {Flow} {Model}{scaled}{mixes}, decay {WeightDecay}, interrupted at {Interrupted}{within}{twice}, clipped late {ClipByLastNorm}\n"
            + $"{Schedule}{late}\n{Grown}\n{string.Join('\n', Steps)}";
    }

    /// <summary>One step.</summary>
    /// <param name="MicroBatches">How many.</param>
    /// <param name="Accumulates">Whether <c>accumulate()</c> takes them, or gradients add up in the weights.</param>
    /// <param name="Clip">The largest norm, or null.</param>
    /// <param name="Factor">What the loss is multiplied by: 1, 0 for gradients of zeros, NaN.</param>
    /// <param name="Toggles">The parameter that is frozen or thawed before the step; null for none.</param>
    /// <param name="Sets">Which number of the first group is set by hand before the step: 0 for the rate, 1 for the decay, 2 for β₁ and β₂.</param>
    /// <param name="SideAction">What the second run does besides, in the middle of the step; null for nothing.</param>
    public sealed record Step(
        int MicroBatches, bool Accumulates, double? Clip, double Factor, string? Toggles, SideAction? SideAction = null, int? Sets = null);

    /// <summary>What the model is like.</summary>
    public enum Shape
    {
        /// <summary>Layers, a convolution and an embedding, in fields that take any module.</summary>
        Small,

        /// <summary>Layers in fields of their own type, run by <c>forward</c>, past hooks; a table is shared.</summary>
        Typed,

        /// <summary>Layers in containers, of which one is run twice in a pass.</summary>
        NestedModel,

        /// <summary>The same, and what that one computes is computed again in the backward pass.</summary>
        Checkpointed,
    }

    /// <summary>A layer that comes into the model before a step, with a group of its own.</summary>
    public sealed record Growth(int At, double? Rate, double? Decay, ILowRankStrategy? Method);

    public static RandomScript Draw(Random random)
    {
        var flow = random.Next(4) switch { 0 => GradientFlow.Projected, 1 => GradientFlow.Stepped, _ => GradientFlow.Whole };
        var steps = Enumerable.Range(0, 9).Select(_ => Draw(random, flow)).ToArray();

        // Under Stepped a layer is not to be computed again for two places.
        var again = flow == GradientFlow.Stepped ? Shape.NestedModel : Shape.Checkpointed;
        var model = random.Next(6) switch { 0 => Shape.Typed, 1 => Shape.NestedModel, 2 => again, _ => Shape.Small };
        return new()
        {
            Dtype = random.Next(5) switch { 0 => ScalarType.Float64, 1 => ScalarType.BFloat16, _ => ScalarType.Float32 },
            Flow = flow,
            Model = model,
            WeightDecay = random.Next(2) * 0.1,
            ScalesLoss = flow != GradientFlow.Stepped && random.Next(4) == 0,
            Steps = steps,
            Interrupted = random.Next(1, steps.Length),
            WithinWindow = random.Next(3) == 0,
            Schedule = random.Next(2) == 0 ? null : DrawSchedule(random, steps.Length),
            BindsLate = random.Next(2) == 0,
            Grown = model is Shape.NestedModel or Shape.Checkpointed && random.Next(2) == 0 ? DrawGrowth(random) : null,
            StartsTwice = random.Next(2) == 0,
            ClipByLastNorm = flow == GradientFlow.Stepped && random.Next(2) == 0 ? 0.1 : null,
            Mixes = random.Next(4) == 0,
        };
    }

    private static Step Draw(Random random, GradientFlow flow)
    {
        string[] parameters =
        [
            "first.weight", "second.weight", "square.bias", "embed.weight", "second.0.weight", "square.weight",
            "square.lora_A", "first.lora_B", "square.factor_U",
        ];
        var isHeld = flow != GradientFlow.Stepped;
        return new(
            isHeld && random.Next(3) == 0 ? random.Next(2, 4) : 1, isHeld && random.Next(2) == 0, isHeld && random.Next(4) == 0 ? 0.1 : null,
            random.Next(8) switch { 0 => 0, 1 => double.NaN, _ => 1 }, random.Next(6) == 0 ? parameters[random.Next(parameters.Length)] : null,
            random.Next(3) == 0 ? (SideAction)random.Next(Enum.GetValues<SideAction>().Length) : null,
            random.Next(12) == 0 ? random.Next(3) : null);
    }

    private static ILrSchedule DrawSchedule(Random random, int steps) => random.Next(5) switch
    {
        0 => new LinearSchedule { TotalSteps = steps, Warmup = random.Next(3) },
        1 => new CosineSchedule { TotalSteps = steps, Warmup = random.Next(3) },
        2 => new JaggedCosineSchedule { TotalSteps = 9, Warmup = 1, RestartEvery = 3, RestartWarmup = random.Next(3), RampsFromZero = random.Next(2) == 0 },
        3 => new JoinedSchedule((new ConstantSchedule(), 2), (new LinearSchedule { TotalSteps = 4, Warmup = 1 }, 4), (new ConstantSchedule(), 1)),
        _ => new ConstantSchedule { Warmup = random.Next(4) },
    };

    private static Growth DrawGrowth(Random random) => new(
        random.Next(6), random.Next(2) == 0 ? 3e-3 : null, random.Next(2) == 0 ? 0.2 : null,
        random.Next(4) switch { 0 => new GaLore { Rank = 3, RefreshEvery = 2 }, 1 => new Fira { Rank = 3, RefreshEvery = 2 }, 2 => new Muon(), _ => null });
}
