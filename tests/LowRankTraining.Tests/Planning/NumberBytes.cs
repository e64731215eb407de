namespace LowRankTraining.Tests.Planning;

/// <summary>Bytes that a number of each kind takes: the convention in which memory is counted.</summary>
internal readonly record struct NumberBytes
{
    /// <value>b_w, a weight that is trained at full rank.</value>
    public required double Weight { get; init; }

    /// <value>A weight that is frozen: b_w, or fewer where it is quantized (NF4: <see cref="Nf4"/>).</value>
    public required double Frozen { get; init; }

    /// <value>b_a, a number of a factor, a magnitude or a sparse part.</value>
    public required double Adapter { get; init; }

    /// <value>b_g, a gradient; 0 where gradients are not counted.</value>
    public required double Gradient { get; init; }

    /// <value>b_s, an entry of one of Adam's two moments.</value>
    public required double Moment { get; init; }

    /// <value>b_i, the number of a sparse entry.</value>
    public required double Index { get; init; }

    /// <value>4-bit numbers and a float32 scale for each 64 of them.</value>
    public const double Nf4 = 0.5 + 4.0 / 64;

    /// <value>The tables of GaLore and SLTrain: weights and moments in bfloat16, int64 indices, no gradients. Their G is 10⁹ bytes.</value>
    public static NumberBytes Papers { get; } = new() { Weight = 2, Frozen = 2, Adapter = 2, Gradient = 0, Moment = 2, Index = 8 };

    /// <value>This library with float32 weights: everything in float32, int32 indices.</value>
    public static NumberBytes Float32 { get; } = new() { Weight = 4, Frozen = 4, Adapter = 4, Gradient = 4, Moment = 4, Index = 4 };

    /// <value>This library with bfloat16 weights: moments stay in float32, int32 indices.</value>
    public static NumberBytes BFloat16 { get; } = new() { Weight = 2, Frozen = 2, Adapter = 2, Gradient = 2, Moment = 4, Index = 4 };
}
