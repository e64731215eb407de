namespace LowRankTraining.Parts;

/// <summary>The gradient with all rows of one length, and all columns of one length: a step of Adam's size without any memory.</summary>
/// <remarks>
/// <para>For G of m × n, L times: every row of X ← √n X / ‖row‖, then every column ← √m X / ‖column‖, from X = G. The update is α X, whose root mean square is
/// α.</para>
/// <para>X is diag(u) G diag(v), and with S = G ∘ G a pass is u² ← n / (S v²), v² ← m / (Sᵀ u²): two products with a vector. Rows and columns of zeros stay
/// zero, and G is brought into range by a power of two before it is squared.</para>
/// <para>State: none. Scratch: none on the CPU, two tensors of the gradient's shape elsewhere. A tensor of more than two dimensions is treated as out × rest.
/// For matrices only.</para>
/// <para>A zero or non-finite gradient changes nothing.</para>
/// <para>Source: Scetbon, Ma, Gong and Meeds, Gradient Multi-Normalization for Stateless and Scalable LLM Training, arXiv 2502.06742, algorithms 3 and
/// 4.</para>
/// </remarks>
public sealed record SinkhornRule : DirectionRule
{
    /// <value>L, passes over rows and columns, from 1 to 100. Default 5 (SinkGD).</value>
    public int Iterations { get; init; } = 5;

    /// <value>α, a factor on the update; above 0. Default 0.05 (SinkGD, for the matrices of layers, beside Adam for the rest).</value>
    public double Scale { get; init; } = 0.05;

    /// <inheritdoc/>
    public override void Check(Checks checks) => checks
        .Between(1, 100, Iterations)
        .Above(0, Scale);

    /// <inheritdoc/>
    public override bool NeedsMatrix => true;

    /// <inheritdoc/>
    public override IReadOnlyList<MomentSlot> Moments => [];

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The gradient is a vector.</exception>
    public override void AddUpdate(Tensor gradient, Tensor accumulator, double scale, StateBag state, in StepContext step)
    {
        this.RequireMatrix(gradient, step);
        if (!step.Accepts(gradient))
            return;

        using var scope = NewDisposeScope();
        var matrix = gradient.Widened().AsMatrix();
        Sinkhorn.Of(matrix, Iterations).AddTo(accumulator, matrix, scale * Scale);
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The gradient is a vector.</exception>
    public override (Tensor Direction, double Correction) Advance(Tensor gradient, StateBag state, in StepContext step)
    {
        this.RequireMatrix(gradient, step);
        using var scope = NewDisposeScope();
        var matrix = gradient.Widened().AsMatrix();
        return (Sinkhorn.Of(matrix, Iterations).Apply(matrix).reshape(gradient.shape).MoveToOuterDisposeScope(), Scale);
    }
}
