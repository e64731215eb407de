using LowRankTraining.Quantized;
using LowRankTraining.Rules;
using LowRankTraining.Subspace;
using static TorchSharp.torch;

namespace LowRankTraining.Strategies;

/// <summary>Q-GaLore: GaLore with weights and moments in 8 bits and bases in 4, whose subspaces are found anew less often the less they change.</summary>
/// <remarks>
/// <para>GaLore's equations. The weights of projected linear layers are <see cref="Int8Linear"/>s: decoded for each product, and after each update rounded stochastically, so that updates below a code's width survive in expectation.</para>
/// <para>State of a matrix with short side s and long side l: r s / 2 + 5 ⌈r s / 256⌉ bytes of basis, 2 (r l + 4 ⌈r l / 256⌉) of moments. Its weight: m n + 5 ⌈m n / 256⌉ bytes.</para>
/// <para>Differences from the authors' code: codes of the basis are packed; similarity looks at the whole subspace and knows no signs; the count starts again after an enlargement;
/// the subspace comes from a randomized SVD. <see cref="Compatibility.ReferenceCode"/> follows their refreshes and AdamW.</para>
/// <para>Source: Zhang et al., Q-GaLore, arXiv 2407.08296.</para>
/// </remarks>
public sealed class QGaLoreStrategy : GradientSpaceStrategy<QGaLoreOptions>
{
    /// <summary>Defines the method.</summary>
    /// <param name="options">The defaults when null.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public QGaLoreStrategy(QGaLoreOptions? options = null) : base("q-galore", new QGaLoreOptionsValidator().Require(options ?? new())) { }

    private protected override UpdateRule Projected => Recipe(Options);

    private protected override ILowRankSession Install(nn.Module model, ILowRankSession session) =>
        Options.QuantizesWeights ? QuantizedSession.Over(model, session, Options.WeightGroup, Options.Logger) : session;

    internal static SubspaceRule Recipe(QGaLoreOptions options) =>
        options.Project(options.Adam, new ProjectBack { Scale = options.Scale }, options.Side) with { Refresh = options.Refresh ?? Lazy(options) };

    private static LazyRefresh Lazy(QGaLoreOptions options) => new()
    {
        Every = options.RefreshEvery,
        Threshold = options.SimilarityThreshold,
        Growth = options.GapGrowth,
        Remembered = options.RememberedSimilarities,
        Compatibility = options.Compatibility,
    };
}
