namespace LowRankTraining.Parts;

/// <summary>Steps along the polar factor of the momentum: all of its singular values become 1, so that no direction waits for the large ones.</summary>
/// <remarks>
/// <para>M ← μM + (1 − μ)G; the update is c · polar(M), with <see cref="Nesterov"/> c · polar(μM + (1 − μ)G), where polar(U Σ Vᵀ) = U Vᵀ and c is
/// <see cref="Scaling"/>'s. Whether M averages or sums gradients makes no difference: a polar factor has no size.</para>
/// <para>By default five Newton-Schulz steps X ← (a I + b X Xᵀ + c (X Xᵀ)²) X with (3.4445, −4.7750, 2.0315), which leave singular values between about 0.7
/// and 1.2, those below a hundredth of the largest less. Exactly: (M Mᵀ)^(−½) M.</para>
/// <para>State: <c>momentum_buffer</c>, in the gradient's shape and in <see cref="States"/>; counter <c>step</c>. Scratch: three tensors of that shape and
/// two squares of the short side. A tensor of more than two dimensions is treated as out × rest.</para>
/// <para>For matrices only: a vector has one singular value, and in a step on the table of an embedding every row moves, of whatever token. Methods that take
/// it as <c>Inner</c> train both by Adam; elsewhere it refuses them.</para>
/// <para>A zero or non-finite gradient changes nothing. The rank of M does not matter: of a matrix of lower rank, exactly, those directions step that it
/// has.</para>
/// <para>Source: Jordan et al., Muon: An optimizer for hidden layers in neural networks, https://kellerjordan.github.io/posts/muon/ (2024); exact, in a
/// subspace: Refael et al., SUMO, arXiv 2505.24749.</para>
/// </remarks>
public sealed record PolarRule : DirectionRule
{
    /// <summary>Steps after which Newton-Schulz changes nothing any more.</summary>
    private const int MostSteps = 100;

    /// <value>μ, decay of the momentum, in [0, 1); 0 keeps none. Default 0.95 (Muon).</value>
    public double Momentum { get; init; } = 0.95;

    /// <value>Whether the update looks one step ahead. Default true (Muon).</value>
    public bool Nesterov { get; init; } = true;

    /// <value>Newton-Schulz steps, from 1 to 100; null for the exact polar factor. Default 5 (Muon).</value>
    public int? NewtonSchulzSteps { get; init; } = 5;

    /// <value>Whether the products of Newton-Schulz are those of bfloat16, as in the authors' code: several times as quick where the processor has them, with
    /// singular values that are off by some hundredths more. Never for float64. Default false.</value>
    public bool InBFloat16 { get; init; }

    /// <value>What the polar factor is multiplied by. Default: <see cref="PolarScaling.RootMeanSquare"/>, steps of about AdamW's size.</value>
    public PolarScaling Scaling { get; init; }

    /// <value>How the momentum is stored. Default: float32.</value>
    public StateFormat States { get; init; } = StateFormat.Float32;

    /// <inheritdoc/>
    public override void Check(Checks checks) => checks
        .Fraction(Momentum)
        .Unused(Momentum > 0, Nesterov, true, "there is no momentum")
        .Between(1, MostSteps, NewtonSchulzSteps)
        .Unused(NewtonSchulzSteps is not null, InBFloat16, false, "the polar factor is exact")
        .Defined(Scaling)
        .Moments(States);

    /// <inheritdoc/>
    public override PolarRule WithStates(StateFormat states) => this with { States = states };

    /// <inheritdoc/>
    public override bool NeedsMatrix => true;

    /// <inheritdoc/>
    public override IReadOnlyList<MomentSlot> Moments => Average.Moments;

    /// <inheritdoc/>
    public override string? StepCounter => Average.StepCounter;

    private AveragedGradient Average => new(Momentum, States);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The gradient is a vector.</exception>
    public override (Tensor Direction, double Correction) Advance(Tensor gradient, StateBag state, in StepContext step)
    {
        this.RequireMatrix(gradient, step);
        using var scope = NewDisposeScope();
        var direction = Polar(Smoothed(gradient, state, step).AsMatrix());
        return (direction.reshape(gradient.shape).MoveToOuterDisposeScope(), Scaling.Factor(direction.size(0), direction.size(1)));
    }

    /// <summary>What the polar factor is taken of.</summary>
    private Tensor Smoothed(Tensor gradient, StateBag state, in StepContext step)
    {
        var mean = Average.Take(gradient, state, step);
        return Nesterov && Momentum > 0 ? mean.mul(Momentum).add_(gradient, 1 - Momentum) : mean;
    }

    private Tensor Polar(Tensor matrix) =>
        NewtonSchulzSteps is { } steps ? PolarFactor.NewtonSchulz(matrix, steps, InBFloat16) : PolarFactor.Exact(matrix);
}

/// <summary>What a polar factor O of m × n is multiplied by, so that one learning rate serves matrices of any shape.</summary>
public enum PolarScaling
{
    /// <summary>0.2 √max(m, n): entries of a root mean square of 0.2, which is about AdamW's, so that AdamW's learning rate and decay serve too.
    /// Liu et al., Muon is Scalable for LLM Training, arXiv 2502.16982, section 2.2.</summary>
    RootMeanSquare,

    /// <summary>√max(1, m/n). Jordan et al., Muon, in the authors' code.</summary>
    AspectRatio,

    /// <summary>√(m/n): the step changes a layer's output by as much as its input is large. Bernstein, Deriving Muon (2025); the default of
    /// microsoft/dion.</summary>
    Spectral,

    /// <summary>1.</summary>
    None,
}

/// <summary>The numbers behind the names.</summary>
internal static class PolarScalings
{
    /// <summary>What the polar factor of a matrix of so many rows and columns is multiplied by.</summary>
    public static double Factor(this PolarScaling scaling, double rows, double columns) => scaling switch
    {
        PolarScaling.RootMeanSquare => 0.2 * Math.Sqrt(Math.Max(rows, columns)),
        PolarScaling.AspectRatio => Math.Sqrt(Math.Max(1, rows / columns)),
        PolarScaling.Spectral => Math.Sqrt(rows / columns),
        _ => 1,
    };
}
