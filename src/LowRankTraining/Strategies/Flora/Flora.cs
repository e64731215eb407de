namespace LowRankTraining.Strategies;

/// <summary>Flora: Adafactor with momentum in a random sketch, which is never stored: only drawn again.</summary>
/// <remarks>
/// <para>See <see cref="FloraRule"/> for the equations. Everything that is not a target (vectors, embeddings, the output head) is trained by plain Adafactor
/// with the same momentum. A learning rate of 0.01 is usual, relative to the size of each weight.</para>
/// <para>State of a matrix with short side s and long side l: r l + s + l numbers.</para>
/// <para>Differences from the authors' code: momentum is on by default (there it is off, and then nothing is sketched), long matrices are sketched too.</para>
/// <para>Source: Hao, Cao and Mou, Flora: Low-Rank Adapters Are Secretly Gradient Compressors, arXiv 2402.03293.</para>
/// </remarks>
public sealed record Flora : UpdateMethod
{
    /// <inheritdoc/>
    public override string Name => "flora";

    private readonly int? _rank;

    /// <value>r, columns of the sketch; at least 1. A matrix whose short side is not above it keeps its momentum whole. Default 128 (the authors give
    /// none).</value>
    public int Rank { get => _rank ?? 128; init => _rank = value; }

    /// <value>κ, updates between two sketches; at least 1. Default 1000 (Flora).</value>
    public long ResampleEvery { get; init; } = 1000;

    /// <value>Longest shape whose momentum is sketched, as long side over short side; at least 1. Default: any, or 4 under
    /// <see cref="Compatibility.ReferenceCode"/>, as in the authors' code.</value>
    public double? MaxAspectRatio { get; init; }

    /// <value>β₁, decay of the momentum, in [0, 1); 0 keeps none, and then nothing is sketched. Default 0.9 (in the authors' code: none).</value>
    public double Beta1 { get; init; } = 0.9;

    /// <value>How the momentum is stored. Default: float32.</value>
    public StateFormat States { get; init; } = StateFormat.Float32;

    /// <value>Adafactor around the sketch; its momentum and that momentum's format are <see cref="Beta1"/> and <see cref="States"/>. Default: relative to the
    /// weight's size (Flora).</value>
    public AdafactorRule Adafactor { get; init; } = new() { ScaleParameter = true };

    /// <value>Draws the sketch's matrix, short side × r. Default: normal numbers of variance 1/r (Flora).</value>
    public IDrawnBasis Basis { get; init; } = new GaussianBasis();

    /// <inheritdoc/>
    protected override bool DecaysAfterUpdate => false;

    /// <inheritdoc/>
    protected override bool SparesSmallTargets => _rank is null;

    private FloraRule Rule => new()
    {
        Rank = Rank,
        ResampleEvery = ResampleEvery,
        MaxAspectRatio = MaxAspectRatio ?? (FollowsCode ? 4 : double.PositiveInfinity),
        Adafactor = Adafactor with { Beta1 = Beta1, States = States },
        Basis = Basis,
    };

    /// <inheritdoc/>
    protected override UpdateRule RuleFor(in ParameterRole role) => role.IsTarget ? Rule : Rule.Adafactor;

    /// <inheritdoc/>
    public override void Check(Checks checks)
    {
        base.Check(checks);
        checks
            .AtLeast(1, Rank)
            .AtLeast(1, ResampleEvery)
            .AtLeast(1, MaxAspectRatio)
            .Fraction(Beta1)
            .Moments(States)
            .Part(Adafactor)
            .Part(Basis)
            .Require(Adafactor is null or { Beta1: 0 }, $"{checks.PathOf(nameof(Adafactor))}.Beta1 has no effect: set {checks.PathOf(nameof(Beta1))}.")
            .Require(Adafactor is null || Adafactor.States == StateFormat.Float32,
                $"{checks.PathOf(nameof(Adafactor))}.States has no effect: set {checks.PathOf(nameof(States))}.");
    }
}
