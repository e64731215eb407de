using LowRankTraining.Strategies;

namespace LowRankTraining.Benchmarks.Figures;

/// <summary>Whole steps of training (forward, backward, update) by GaLore with projected gradients, against TorchSharp's AdamW.</summary>
/// <remarks>Of the 6 m n operations that AdamW needs for a token and a layer m × n, 2 m n become 2 r (m + n): at width 512 and rank 128 half of a third, for
/// the 512 × 1376 layers 0.34 of it.</remarks>
internal static class FlowTrainingFigures
{
    private const string Model = "60m", Projected = "projected", Whole = "whole";

    public static IEnumerable<Figure> Measure()
    {
        using var tokens = TrainedModel.Tokens(batch: 4, sequence: 257);
        using TrainedModel adamW = TrainedModel.By(Model, null), whole = TrainedModel.By(Model, new GaLore { Rank = 128 }),
            projected = TrainedModel.By(Model, new GaLore { Rank = 128 }, GradientFlow.Projected);

        var rounds = Rounds.Run(count: 5, warmUps: 2, round =>
        {
            round.Time(Methods.AdamW, () => adamW.Step(tokens));
            round.Time(Projected, () => projected.Step(tokens));
            round.Time(Whole, () => whole.Step(tokens));
        });

        yield return new($"training step of {Methods.AdamW}, {Model}, 4 x 256 tokens", rounds.Median(Methods.AdamW), "ms");
        yield return new($"training step of GaLore, projected gradients / of {Methods.AdamW}, {Model}", rounds.Ratio(Projected, Methods.AdamW), "times",
            Goal.AtMost(0.85));
        yield return new($"training step of GaLore, whole gradients / of {Methods.AdamW}, {Model}", rounds.Ratio(Whole, Methods.AdamW), "times");
    }
}
