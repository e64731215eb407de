namespace LowRankTraining.Layers;

public sealed partial class AdapterSession
{
    private IEnumerable<Adapter> Awaiting => _adapters.Where(adapter => adapter.AwaitsGradient);

    /// <summary>Starts the factors from the gradient of the loss, for <see cref="FactorInit.LoRAGA"/>. The model computes what it computed before.</summary>
    /// <param name="backward">Runs the model on one or more batches and calls <c>backward()</c> on each loss; the gradients add up. Called once for every
    /// <paramref name="layersAtOnce"/> layers, and has to use the same batches each time.</param>
    /// <param name="layersAtOnce">Layers whose gradients are held at the same time. Default: all.</param>
    /// <exception cref="InvalidOperationException">The factors have their start already, or are merged; or a layer got no gradient, or one that is zero or not
    /// finite. Nothing was changed.</exception>
    public void Initialize(Action backward, int layersAtOnce = int.MaxValue)
    {
        ArgumentNullException.ThrowIfNull(backward);
        ArgumentOutOfRangeException.ThrowIfLessThan(layersAtOnce, 1);
        RequireAtWork();
        RequireUnmerged();
        var waiting = Awaiting.ToArray();
        if (waiting.Length == 0)
            throw new InvalidOperationException($"The factors have their start already. {nameof(Initialize)} is for "
                + $"{nameof(FactorInit)}.{nameof(FactorInit.LoRAGA)}, once, before the first step.");

        using var scope = NewDisposeScope();
        var starts = waiting.Chunk(layersAtOnce).SelectMany(layers => StartsOf(layers, backward)).ToArray();
        foreach (var (adapter, (a, b)) in waiting.Zip(starts))
            adapter.StartWith(a, b);
    }

    private (Tensor A, Tensor B)[] StartsOf(Adapter[] layers, Action backward)
    {
        // Where the model has run past hooks, weights stay in the graph, so that the first step can tell.
        var trained = Array.ConvertAll(layers, layer => layer.Weight.requires_grad);
        try
        {
            foreach (var layer in layers)
                layer.Weight.requires_grad = true;
            backward();
            return Array.ConvertAll(layers, StartOf);
        }
        finally
        {
            foreach (var (layer, isTrained) in layers.Zip(trained))
            {
                layer.Weight.grad = null!;
                layer.Weight.requires_grad = isTrained && !layer.HasRun;
            }

            foreach (var plan in Parameters)
                plan.Parameter.grad = null!;
        }
    }

    private static (Tensor A, Tensor B) StartOf(Adapter layer)
    {
        using var gradient = layer.Weight.grad;
        if (gradient is null || GradientCheck.Judge(gradient) != GradientVerdict.Usable)
            throw new InvalidOperationException($"'{layer.Name}' got {(gradient is null ? "no gradient" : "a gradient that is zero or not finite")} from the "
                + "batches, and its factors cannot start from that. "
                + "Run the whole model on other batches, or leave the layer out with Targets.Except. Nothing was changed.");
        return layer.StartFor(gradient);
    }

    private void RequireInitialized()
    {
        if (Awaiting.Any())
            throw new InvalidOperationException($"{nameof(FactorInit)}.{nameof(FactorInit.LoRAGA)} starts the factors from a gradient: "
                + $"call {nameof(Initialize)} on the session before the first step. Nothing was changed.");
    }
}
