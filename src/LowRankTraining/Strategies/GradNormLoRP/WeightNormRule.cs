namespace LowRankTraining.Strategies;

/// <summary>Trains a matrix as magnitude and direction of its rows, each with a rule of its own.</summary>
/// <remarks>
/// <para>W = diag(g) V̂ with V̂ᵢ = Vᵢ / ‖Vᵢ‖. At every step V is W itself and g its row norms, so that nothing of W's size is kept:
/// ∂gᵢ = ⟨∂Wᵢ, V̂ᵢ⟩; ∂V = ∂W − diag(∂g) V̂, the part at right angles to the rows; V′ and g′ by their rules; W′ = diag(g′ / ‖V′ᵢ‖) V′.</para>
/// <para>State: that of both rules; the magnitude's under names that start with "magnitude_". Scratch: two matrices. A tensor of more than two dimensions is
/// treated as out × rest.</para>
/// <para>A zero or non-finite gradient changes nothing. A row of zeros has no direction and stays zero.</para>
/// <para>Source: Salimans and Kingma, Weight Normalization, arXiv 1602.07868, equation 3; Huang et al., GradNormLoRP, arXiv 2412.19616, section 4.</para>
/// </remarks>
internal sealed record WeightNormRule : UpdateRule
{
    private const double SmallestNorm = 1e-12;

    private static readonly AdamNames MagnitudeNames = AdamNames.After("magnitude_");

    /// <value>Moves the directions.</value>
    public required UpdateRule Direction { get; init; }

    /// <value>β₁, β₂ and ε of the Adam that moves the magnitudes. Default: Adam's.</value>
    public AdamRule Magnitude { get; init; } = new();

    private AdamRule OfMagnitude => Magnitude with { Names = MagnitudeNames, States = StateFormat.Float32 };

    public override (double Beta1, double Beta2)? Betas => Direction.Betas ?? (Magnitude.Beta1, Magnitude.Beta2);

    public override void AddUpdate(Tensor gradient, Tensor accumulator, double scale, StateBag state, in StepContext step)
    {
        using var scope = NewDisposeScope();
        if (step.InRange(gradient) is not { } usable)
            return;

        var weight = (step.Weight ?? throw new InvalidOperationException(
                $"{nameof(WeightNormRule)} needs the weight: set {nameof(StepContext)}.{nameof(StepContext.Weight)}."))
            .detach().to(gradient.dtype).AsMatrix();
        var matrix = usable.AsMatrix();

        var norm = RowNorms(weight);
        var unit = weight / Divisor(norm);
        var ofMagnitude = matrix.unsqueeze(1).bmm(unit.unsqueeze(2)).squeeze(2);
        var ofDirection = unit.mul_(ofMagnitude).neg_().add_(matrix);

        var direction = weight.clone();
        Direction.AddUpdate(ofDirection, direction, scale, state, step with { Verdict = GradientVerdict.Usable });

        var (magnitudeStep, correction) = OfMagnitude.Advance(ofMagnitude, state, step);
        var magnitude = norm.add(magnitudeStep, scale * correction);

        direction.mul_(magnitude / Divisor(RowNorms(direction))).sub_(weight);
        accumulator.add_(direction.reshape(accumulator.shape));
    }

    public override Tensor? RelativeRate(Tensor weight, StateBag state) => Direction.RelativeRate(weight, state);

    public override UpdateRule WithStates(StateFormat states) => this with { Direction = Direction.WithStates(states) };

    public override string? NoteFor(IReadOnlyList<long> shape) => Direction.NoteFor(shape);

    public override string LayoutFor(IReadOnlyList<long> shape) =>
        $"magnitude and direction, {Direction.LayoutFor(shape)}";

    public override IEnumerable<StateSlot> SlotsFor(IReadOnlyList<long> shape) => [.. Direction.SlotsFor(shape), .. OfMagnitude.SlotsFor([shape[0], 1])];

    private static Tensor RowNorms(Tensor matrix) => SquaredNorms.Along(matrix, 1).sqrt_();

    private static Tensor Divisor(Tensor norms) => norms.clamp_min(SmallestNorm);
}
