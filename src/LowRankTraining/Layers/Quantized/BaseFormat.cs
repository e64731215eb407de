namespace LowRankTraining.Layers;

/// <summary>How the frozen weight beside low-rank factors is kept.</summary>
public enum BaseFormat
{
    /// <summary>As it is.</summary>
    Dense,

    /// <summary>NormalFloat, 4 bits, in blocks of 64: 0.5625 bytes a number (Dettmers et al., QLoRA, arXiv 2305.14314).</summary>
    NF4,

    /// <summary>8 bits, evenly spaced, in blocks of 256: 1.016 bytes a number.</summary>
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
