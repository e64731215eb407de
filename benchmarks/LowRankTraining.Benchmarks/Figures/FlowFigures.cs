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
        Tensor input = randn(Rows, Width).requires_grad_(), data = randn(Rows, Width);

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

        var products = new Products();
        var rounds = Rounds.Run(count: 15, warmUps: 3, round =>
        {
            foreach (var (name, model) in new[] { ("whole", whole), ("projected", projected), ("none", none) })
                Time(name, model, input);
            foreach (var (name, model) in new[] { ("whole, from data", whole), ("projected, from data", projected) })
                Time(name, model, data);

            void Time(string name, nn.Module<Tensor, Tensor> model, Tensor from)
            {
                using var loss = Loss(model, from);
                round.Time(name, () => loss.backward());
                Free(model);
                if (model == projected)
                    other.zero_grad();
            }

            round.Time("whole products", products.Whole);
            round.Time("projected products", products.Projected);
        });

        var sizes = $"{Layers} layers of {Width} x {Width}, {Rows} rows";
        yield return new($"backward with whole gradients, {sizes}", rounds.Median("whole"), "ms");
        yield return new($"backward without gradients of weights, {sizes}", rounds.Median("none"), "ms");
        yield return new($"backward with projected gradients, rank {Rank} / with whole ones, {sizes}", rounds.Ratio("projected", "whole"), "times",
            Goal.AtMost(0.55));
        yield return new("the same, of an input that takes no gradient", rounds.Ratio("projected, from data", "whole, from data"), "times", Goal.AtMost(0.55));
        yield return new("matrix products of the former alone, 2 N m n + 2 N r (m + n) operations a layer / 4 N m n",
            rounds.Ratio("projected products", "whole products"), "times");
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

    /// <summary>The products of a backward pass without the pass: what no bookkeeping can be quicker than.</summary>
    private sealed class Products
    {
        private readonly (Tensor Delta, Tensor Input, Tensor Weight, Tensor Basis)[] _layers =
            [.. Enumerable.Range(0, Layers).Select(_ => (randn(Rows, Width), randn(Rows, Width), randn(Width, Width), randn(Width, Rank)))];

        public void Whole() => ForEach((delta, input, _) => delta.t().mm(input));

        public void Projected() => ForEach((delta, input, basis) => delta.t().mm(input.mm(basis)));

        private void ForEach(Func<Tensor, Tensor, Tensor, Tensor> gradient)
        {
            foreach (var (delta, input, weight, basis) in _layers)
            {
                using var scope = NewDisposeScope();
                delta.mm(weight);
                gradient(delta, input, basis);
            }
        }
    }
}
