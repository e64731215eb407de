namespace LowRankTraining.Layers;

/// <summary>Weights that are kept in a quantized format while they are frozen, where their layer can be replaced.</summary>
internal sealed class QuantizedBase(BaseFormat format) : FactorFeature
{
    public override bool FreesWeight => true;

    public override FactorLayer? Layer(Linear plain, Injection way, FactorSettings settings, int rank, ulong key) => way != Injection.Replace ? null
        : new QuantizedLowRankLinear(plain, rank, format, settings.Scale, settings.Dropout, key, sharesWeight: !settings.IsActiveAtOnce);

    /// <summary>Refuses weights that cannot be quantized whatever is done, and notes those whose layer cannot be replaced.</summary>
    /// <exception cref="ArgumentException">A weight of an unsupported dtype; or, under Strict, one that stays dense.</exception>
    public override IEnumerable<KeyValuePair<string, string>> NotesOn(IReadOnlyList<(Site Site, Injection Way)> chosen, FactorSettings settings)
    {
        var unsupported = chosen.Where(pair => !QuantizedLowRankLinear.Takes(pair.Site.Weight.dtype))
            .Select(pair => $"{pair.Site.Name} ({pair.Site.Weight.dtype})")
            .ToArray();
        if (unsupported.Length > 0)
            throw new ArgumentException($"Weights are kept in {format} from float32, bfloat16 or float16 only, and these are in another dtype: "
                + $"{unsupported.Few(8, "; ")}. "
                + "Convert the model with model.to(ScalarType.Float32), or leave Base at Dense. Nothing was changed.");

        var dense = chosen.Where(pair => pair.Way != Injection.Replace)
            .Select(pair => (pair.Site.Name, Reason: pair.Site.Choose(Injection.Replace, [Injection.Replace]).Reason))
            .ToArray();
        var text = dense.Select(pair => $"{pair.Name} ({pair.Reason})").Few(8, "; ");
        if (dense.Length > 0 && settings.Strict)
            throw new ArgumentException($"Under Strict every adapted weight must be kept in {format}, "
                + $"and the layers of {dense.Length} cannot be replaced: {text}. "
                + "Hold them in fields of type Module<Tensor, Tensor>, or leave them out with Targets.Except. Nothing was changed.");
        if (dense.Length > 0)
            settings.Logger?.BaseKeptDense(settings.Strategy, dense.Length, format.ToString(), text);

        return dense.Select(pair => KeyValuePair.Create(pair.Name, $"not in {format}: {pair.Reason}"));
    }
}

/// <summary>How the frozen weight beside low-rank factors is kept.</summary>
public enum BaseFormat
{
    /// <summary>As it is.</summary>
    Dense,

    /// <summary>NormalFloat, 4 bits, in blocks of 64: 0.5625 bytes per number (Dettmers et al., QLoRA, arXiv 2305.14314).</summary>
    NF4,

    /// <summary>8 bits, evenly spaced, in blocks of 256: 1.016 bytes per number.</summary>
    Blockwise8Bit,
}

/// <summary>The code of a <see cref="BaseFormat"/>.</summary>
internal readonly record struct BaseCode(CodeTable Table, int Block)
{
    public static BaseCode Of(BaseFormat format) => format switch
    {
        BaseFormat.NF4 => new(CodeTable.NF4, 64),
        BaseFormat.Blockwise8Bit => new(CodeTable.Linear8Signed, 256),
        _ => throw new ArgumentException($"{format} is not a quantized format: take {BaseFormat.NF4} or {BaseFormat.Blockwise8Bit}.", nameof(format)),
    };
}
