using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Benchmarks.Figures;

/// <summary>Backward passes of 3 × 3 convolutions of which the gradients are projected as they arise, against those that form them: whether it pays to unfold
/// the input.</summary>
internal static class FlowConvolutionFigures
{
    private const long Samples = 8, Side = 14;
    private const int Layers = 3;

    public static IEnumerable<Figure> Measure() => new long[] { 128, 256, 512 }.Select(Measure);

    private static Figure Measure(long channels)
    {
        var rank = (int)channels / 8;
        using nn.Module<Tensor, Tensor> whole = Model(channels), projected = Model(channels);
        using var optimizer = new GaLore { Rank = rank, Refresh = new NeverRefresh() }.Attach(projected, gradients: GradientFlow.Projected).CreateOptimizer();
        using var input = randn(Samples, channels, Side, Side).requires_grad_();
        using (var first = Loss(projected, input))
            first.backward();
        optimizer.step();

        var rounds = Rounds.Run(count: 9, warmUps: 2, round =>
        {
            foreach (var (name, model) in new[] { ("whole", whole), ("projected", projected) })
            {
                using var loss = Loss(model, input);
                round.Time(name, () => loss.backward());
                foreach (var parameter in model.parameters())
                    parameter.grad = null;
            }

            optimizer.zero_grad();
        });

        return new(
            $"backward with projected gradients, rank {rank} / with whole ones, {Layers} 3 x 3 convolutions of {channels} channels, "
                + $"{Samples} x {Side} x {Side}",
            rounds.Ratio("projected", "whole"), "times");
    }

    private static nn.Module<Tensor, Tensor> Model(long channels) => nn.Sequential(Enumerable.Range(0, Layers)
        .Select(layer => ($"layer{layer}", (nn.Module<Tensor, Tensor>)nn.Conv2d(channels, channels, 3, padding: 1, bias: false))));

    private static Tensor Loss(nn.Module<Tensor, Tensor> model, Tensor input)
    {
        using var scope = NewDisposeScope();
        return model.call(input).square().mean().MoveToOuterDisposeScope();
    }
}
