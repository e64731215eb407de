using LowRankTraining.ByteCounting;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Benchmarks.Figures;

/// <summary>Backward passes of which the gradients are projected as they arise, against those that form them.</summary>
internal static class FlowFigures
{
    private const long Width = 2048, Rows = 512;
    private const int Layers = 4, Rank = 128;

    public static IEnumerable<Figure> Measure()
    {
        using var scope = NewDisposeScope();
        using nn.Module<Tensor, Tensor> whole = Model(), projected = Model(), none = Model();
        var method = new GaLore { Rank = Rank, Refresh = new NeverRefresh() };
        using var one = method.Attach(whole).CreateOptimizer();
        using var other = method.Attach(projected, gradients: GradientFlow.Projected).CreateOptimizer();
        foreach (var parameter in none.parameters())
            parameter.requires_grad = false;
        var input = randn(Rows, Width).requires_grad_();

        // The first step finds the subspace.
        Backward(projected, input);
        other.step();
        Free(projected);

        if (ByteCounter.IsAvailable)
        {
            Backward(projected, input);
            var bytes = Freed(other.zero_grad);
            yield return new("gradients held after a backward pass, projected / rank x l numbers a matrix", (double)bytes / (4 * Layers * Rank * Width),
                "times", Goal.Exactly(1));
        }

        var rounds = Rounds.Run(count: 15, warmUps: 3, round =>
        {
            foreach (var (name, model) in new[] { ("whole", whole), ("projected", projected), ("none", none) })
            {
                using var loss = Loss(model, input);
                round.Time(name, () => loss.backward());
                Free(model);
            }

            other.zero_grad();
        });

        var sizes = $"{Layers} layers of {Width} x {Width}, {Rows} rows";
        yield return new($"backward with whole gradients, {sizes}", rounds.Median("whole"), "ms");
        yield return new($"backward without gradients of weights, {sizes}", rounds.Median("none"), "ms");
        yield return new($"backward with projected gradients, rank {Rank} / with whole ones, {sizes}", rounds.Ratio("projected", "whole"), "times", Goal.AtMost(0.55));
    }

    private static nn.Module<Tensor, Tensor> Model() =>
        nn.Sequential(Enumerable.Range(0, Layers).Select(layer => ($"layer{layer}", (nn.Module<Tensor, Tensor>)nn.Linear(Width, Width, hasBias: false))));

    private static Tensor Loss(nn.Module<Tensor, Tensor> model, Tensor input)
    {
        using var scope = NewDisposeScope();
        return model.call(input).square().mean().MoveToOuterDisposeScope();
    }

    private static void Backward(nn.Module<Tensor, Tensor> model, Tensor input)
    {
        using var loss = Loss(model, input);
        loss.backward();
    }

    private static void Free(nn.Module<Tensor, Tensor> model)
    {
        foreach (var parameter in model.parameters())
            parameter.grad = null;
    }

    /// <summary>Bytes that an action frees.</summary>
    private static long Freed(Action action)
    {
        Collect();
        var before = ByteCounter.Live;
        action();
        Collect();
        return before - ByteCounter.Live;
    }

    private static void Collect()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
    }
}
