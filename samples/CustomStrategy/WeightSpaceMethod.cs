using LowRankTraining;
using LowRankTraining.Strategies;
using TorchSharp;
using static TorchSharp.torch;

namespace CustomStrategy;

/// <summary>A LoRA of one's own: it starts from directions of the weight that it draws, scales by α/√r, and merges ever more rarely.</summary>
/// <remarks>
/// <para>A = Q, an orthonormal basis of r random combinations of W's rows, and B = 0: the factors first look where the weight does. After the steps T, 3 T,
/// 7 T, ... they are merged into W and drawn again, so that the sum reaches a high rank while nobody has to know how long the run is.</para>
/// <para>Ranks by layer, ways into the model, formats of the moments, checkpoints and the memory plan come from the base.</para>
/// </remarks>
public sealed record DoublingLoRA : LoRAMethod
{
    /// <inheritdoc/>
    public override string Name => "contoso.doubling-lora";

    /// <inheritdoc/>
    protected override int DefaultRank => 8;

    /// <inheritdoc/>
    public override double Alpha { get; init; } = 4;

    /// <value>T, steps up to the first merge, at least 1. Default 25; each pause is twice the one before.</value>
    public long FirstMerge { get; init; } = 25;

    /// <inheritdoc/>
    protected override double ScaleFor(double alpha, long rank) => alpha / Math.Sqrt(rank);

    /// <summary>⌊log₂ (t / T + 1)⌋: a function of the step alone, so that a resumed run merges where the other would have.</summary>
    protected override long MergesAfter(long step) => (long)Math.Log2((double)step / FirstMerge + 1);

    /// <summary>A, r × n, and B, m × r. Whatever B A is leaves the weight; here it is zero.</summary>
    protected override Func<Tensor, long, double, ulong, (Tensor A, Tensor B)> Start => (weight, rank, scale, seed) =>
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(seed);
        var mixed = randn(rank, weight.shape[0], weight.dtype, CPU, generator: generator).to(weight.device).mm(weight);
        var (basis, _) = linalg.qr(mixed.t());
        return (basis.t().MoveToOuterDisposeScope(), zeros(weight.shape[0], rank, weight.dtype, weight.device).MoveToOuterDisposeScope());
    };

    /// <summary>Refuses what cannot work, before a model is touched.</summary>
    public override void Check(Checks checks)
    {
        base.Check(checks);
        checks.AtLeast(1, FirstMerge);
    }
}
