namespace LowRankTraining.Strategies;

/// <summary>CoLA: two thin layers with an activation between them in the place of each linear layer. Half of the computation, for a model of another
/// kind.</summary>
/// <remarks>
/// <para>y = σ(x Vᵀ) Uᵀ + b with σ = SiLU; U, m × k, and V, k × n, start as normal numbers such that entries of U V have the variance 1 / (m + n). The
/// weights that were there are discarded.</para>
/// <para>No weight does what such a layer does, so <see cref="ILowRankSession.Finish"/> leaves the layers where they are: the trained model consists of
/// <see cref="FactorizedLinear"/>.</para>
/// <para>State of an m × n matrix: 2 k (m + n) numbers, beside k (m + n) for the factors. For N rows 6 N k (m + n) operations.</para>
/// <para>Differences from the authors' code: an activation that the model itself has is left in it (they drop it from 350 million parameters on), and
/// recomputing activations (CoLA-M) is not part of it.</para>
/// <para>Source: Liu et al., CoLA, arXiv 2502.10940.</para>
/// </remarks>
public sealed record CoLA : FactorizedLayerMethod
{
    /// <inheritdoc/>
    public override string Name => "cola";

    /// <value>k: 128 (CoLA: a quarter of the model's width, 128 at 60 million parameters).</value>
    protected override int DefaultRank => 128;

    /// <value>σ, between the factors. Default: SiLU (CoLA).</value>
    public FactorActivation Activation { get; init; } = FactorActivation.SiLU;

    /// <inheritdoc/>
    protected override ReparameterizedLinear LayerFor(string weight, Linear plain, int rank, ulong key) =>
        new FactorizedLinear(plain.bias, FactorPair.Gaussian(plain.weight, rank, key), Activation);

    /// <inheritdoc/>
    public override void Check(Checks checks)
    {
        base.Check(checks);
        checks.Defined(Activation).Require(
            Activation != FactorActivation.None,
            $"{checks.PathOf(nameof(Activation))} is None, which makes it {nameof(LowRankFactorization)}: use that, or SiLU, GELU or ReLU.");
    }
}
