namespace LowRankTraining.Layers;

/// <summary>The values that the factors of a layer begin with, at first and after every restart.</summary>
internal sealed class StartedFactors(FactorSettings settings, string name) : IDisposable
{
    /// <value>What has left the weight; null where nothing has.</value>
    public InitialFactors? Left { get; private set; }

    /// <value>Whether the factors have their start: from a gradient they get it late.</value>
    public bool AreGiven { get; set; } = !settings.Start.NeedsGradient;

    /// <summary>The first values of factors that have just been made, where a layer does not make them so itself.</summary>
    public void Begin(FactorLayer layer, Tensor weight, ulong key)
    {
        if (!settings.Start.IsUsual && !settings.Start.NeedsGradient)
            FromWeight(layer, weight, settings.Start, key);
    }

    /// <summary>What the factors begin with leaves the weight, where it comes from it.</summary>
    public void LeaveWeight(FactorLayer layer, Parameter weight)
    {
        if (settings.Start is { ChangesBase: true, NeedsGradient: false })
            Leave(layer, weight);
    }

    /// <summary>The factors for a gradient of the weight.</summary>
    public (Tensor A, Tensor B) For(Tensor gradient, long rank) => settings.Start.FromGradient(gradient, rank, settings.DrawKey(name, 0));

    /// <summary>The factors begin with these values, which leave the weight.</summary>
    public void Give(FactorLayer layer, Parameter weight, Tensor a, Tensor b)
    {
        layer.Take(a, b);
        Leave(layer, weight);
        AreGiven = true;
    }

    /// <summary>The values that they begin with again after a merge.</summary>
    public void Again(FactorLayer layer, Tensor weight, long completed)
    {
        var (start, key) = (settings.StartAfter(completed), settings.DrawKey(name, completed));
        if (start.IsUsual)
            LowRankFactors.Redraw(layer.lora_A, layer.lora_B, key);
        else
            FromWeight(layer, weight, start, key);
    }

    public void Dispose() => Left?.Dispose();

    private void Leave(FactorLayer layer, Parameter weight)
    {
        Left?.Dispose();
        Left = InitialFactors.TakeOut(weight, layer.lora_A, layer.lora_B, settings.Scale);
    }

    private void FromWeight(FactorLayer layer, Tensor weight, FactorStart start, ulong key)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();

        // Of a weight that is quantized by now there is only its shape, which is all that a draw needs.
        var (rows, columns) = (layer.lora_B.shape[0], layer.lora_A.shape[1]);
        var known = start.ChangesBase ? weight.detach() : Shapes.Placeholder(rows, columns, weight.dtype.Computing(), weight.device);
        var (a, b) = start.FromWeight(known, layer.Rank, settings.Scale, key);
        layer.Take(a, b);
    }
}
