namespace LowRankTraining.Layers;

/// <summary>How factors go into their weight, rounded as the method says.</summary>
/// <param name="settings">Those of the method.</param>
/// <param name="name">The weight's name, which keys what is drawn.</param>
/// <param name="layer">The factors.</param>
/// <param name="plain">The layer that they are for.</param>
internal readonly struct FactorFolding(FactorSettings settings, string name, FactorLayer layer, Linear plain)
{
    /// <summary>W ← W + s B A, as far as rounding lets it.</summary>
    /// <returns>What that has lost, where it is carried on and anything is, else null.</returns>
    public Tensor? FoldIn(long completed)
    {
        using var generator = Generator(completed);
        return layer.FoldIn(settings.Rounding == MergeRounding.Stochastic ? generator : null, measures: settings.Rounding == MergeRounding.CarryResidual);
    }

    /// <summary>The last factors go into the weight, or the plain layer. None follow that could carry anything.</summary>
    public void FoldInto(long completed)
    {
        using var generator = Generator(completed);
        layer.FoldInto(plain, Unless(MergeRounding.Nearest, generator));
    }

    /// <summary>W ← W + s B A for any factors.</summary>
    public void Add(Tensor a, Tensor b, long completed)
    {
        using var generator = Generator(completed);
        layer.Add(a, b, Unless(MergeRounding.Nearest, generator), measures: false);
    }

    /// <summary>Lets the factors start from what was lost.</summary>
    public void Carry(Tensor loss, long completed) =>
        MergeLoss.Carry(layer.lora_A, layer.lora_B, loss, settings.Scale, settings.Key(name, "carry", completed));

    private Generator? Unless(MergeRounding rounding, Generator generator) => settings.Rounding == rounding ? null : generator;

    private Generator Generator(long completed) => new(settings.Key(name, "merge", completed), layer.lora_A.device);
}
