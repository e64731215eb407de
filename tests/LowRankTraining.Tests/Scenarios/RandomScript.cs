using TorchSharp;

namespace LowRankTraining.Tests.Scenarios;

/// <summary>What happens in a run: drawn beforehand, so that it can happen twice.</summary>
internal sealed record RandomScript
{
    public required torch.ScalarType Dtype { get; init; }

    public required GradientFlow Flow { get; init; }

    /// <value>Whether the model has its layers in fields of their own type and runs them by <c>forward</c>, past hooks.</value>
    public bool IsTyped { get; init; }

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
        var (model, scaled, within) = (IsTyped ? " typed" : "", ScalesLoss ? " scaled" : "", WithinWindow ? " within" : "");
        return $"{Dtype} {Flow}{model}{scaled}, decay {WeightDecay}, interrupted at {Interrupted}{within}\n{string.Join('\n', Steps)}";
    }

    /// <summary>One step.</summary>
    /// <param name="MicroBatches">How many.</param>
    /// <param name="Accumulates">Whether <c>accumulate()</c> takes them, or gradients add up in the weights.</param>
    /// <param name="Clip">The largest norm, or null.</param>
    /// <param name="Factor">What the loss is multiplied by: 1, 0 for gradients of zeros, NaN.</param>
    /// <param name="Toggles">The parameter that is frozen or thawed before the step; null for none.</param>
    public sealed record Step(int MicroBatches, bool Accumulates, double? Clip, double Factor, string? Toggles);

    public static RandomScript Draw(Random random)
    {
        var flow = random.Next(4) switch { 0 => GradientFlow.Projected, 1 => GradientFlow.Stepped, _ => GradientFlow.Whole };
        var steps = Enumerable.Range(0, 9).Select(_ => Draw(random, flow)).ToArray();
        return new()
        {
            Dtype = random.Next(5) switch { 0 => torch.ScalarType.Float64, 1 => torch.ScalarType.BFloat16, _ => torch.ScalarType.Float32 },
            Flow = flow,
            IsTyped = random.Next(4) == 0,
            WeightDecay = random.Next(2) * 0.1,
            ScalesLoss = flow != GradientFlow.Stepped && random.Next(4) == 0,
            Steps = steps,
            Interrupted = random.Next(1, steps.Length),
            WithinWindow = random.Next(3) == 0,
        };
    }

    private static Step Draw(Random random, GradientFlow flow)
    {
        string[] parameters = ["first.weight", "second.weight", "square.bias", "embed.weight"];
        var isHeld = flow != GradientFlow.Stepped;
        return new(
            isHeld && random.Next(3) == 0 ? random.Next(2, 4) : 1, isHeld && random.Next(2) == 0, isHeld && random.Next(4) == 0 ? 0.1 : null,
            random.Next(8) switch { 0 => 0, 1 => double.NaN, _ => 1 }, random.Next(6) == 0 ? parameters[random.Next(parameters.Length)] : null);
    }
}
