using LowRankTraining;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using TorchSharp;
using static TorchSharp.torch;

namespace CustomStrategy;

/// <summary>A method of one's own: the gradient, scaled as Adam scales a projection of it on random signs.</summary>
/// <remarks>With P of s × r random signs, drawn again every T steps: R = PᵀG, N = Adam(R), W ← W − η √a G diag(‖Nⱼ‖ / ‖Rⱼ‖). It is APOLLO with another
/// projection, so a basis and a lift are all there is to say. Rank, side, period, formats of the moments, decay, checkpoints and the memory plan come from the
/// base.</remarks>
public sealed record RandomSign : GradientSpaceMethod
{
    /// <summary>Rank 64 and a = 1.</summary>
    public RandomSign() => (Rank, Scale) = (64, 1);

    /// <value>Checkpoints bear it. A prefix keeps it apart from the names of other people.</value>
    public override string Name => "contoso.random-sign";

    /// <value>Share of the projection's entries that are not zero. Default 1/3 (Achlioptas).</value>
    public double Filled { get; init; } = 1.0 / 3;

    /// <inheritdoc/>
    protected override IBasis OwnBasis => new RandomSignBasis { Filled = Filled };

    /// <inheritdoc/>
    protected override ILift Lift => new ScaledGradient { Scale = Scale };

    /// <summary>Refuses what cannot work, before a model is touched: "RandomSign.Filled is 0: it must be above 0 and at most 1."</summary>
    public override void Check(Checks checks)
    {
        base.Check(checks);
        checks.Ratio(Filled);
    }
}

/// <summary>Random signs and zeros: lengths are kept in expectation, and most of the product needs no multiplication.</summary>
/// <remarks>Entries are ±1/√(q r) with probability q/2 each, else 0. Source: Achlioptas, Database-friendly random projections, JCSS 66 (2003).</remarks>
public sealed record RandomSignBasis : IDrawnBasis
{
    /// <value>q, share of entries that are not zero.</value>
    public double Filled { get; init; } = 1.0 / 3;

    /// <value>False: columns are neither of length 1 nor at right angles, so lifts that step back through them are refused.</value>
    public bool IsOrthonormal => false;

    /// <inheritdoc/>
    public void Check(Checks checks) => checks.Ratio(Filled);

    /// <summary>s × r. The numbers are keyed by seed, parameter and step: a resumed run draws the same, and nothing is stored.</summary>
    public Tensor Draw(Tensor like, long length, long rank, in StepContext step)
    {
        using var scope = NewDisposeScope();
        var uniform = step.Uniform("signs", [length, rank], like.dtype, like.device);
        var signs = uniform.lt(Filled / 2).to(like.dtype) - uniform.gt(1 - Filled / 2).to(like.dtype);
        return signs.mul_(1 / Math.Sqrt(Filled * rank)).MoveToOuterDisposeScope();
    }
}
