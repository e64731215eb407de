using LowRankTraining.Rules;
using LowRankTraining.Subspace;
using static TorchSharp.torch;

namespace LowRankTraining.Strategies;

/// <summary>FRUGAL: Adam in a part of the space that changes from time to time, and a step that needs no memory in all the rest.</summary>
/// <remarks>
/// <para>With P a set of coordinates of the short side, its leading singular vectors, or a random subspace, renewed every T steps with fresh moments: R = PᵀG; W ← W − η (α P Adam(R) + κ sign(G − P R)).
/// By blocks: whole matrices take turns in having Adam.</para>
/// <para>State of a matrix with short side s and long side l at density ρ, r = ρ s: 2 r l numbers and r indices (coordinates), r (s + 2 l) numbers (singular vectors), 2 r l (random); by blocks 2 s l for those whose turn it is.</para>
/// <para>Differences from the paper: blocks take turns by their number. The authors' random entries are not offered: two int64 indices an entry cost more than the moments they save.</para>
/// <para>Source: Zmushko et al., FRUGAL, arXiv 2411.07837, algorithm 1.</para>
/// </remarks>
public sealed class FrugalStrategy : GradientSpaceStrategy<FrugalOptions>
{
    /// <summary>Defines the method.</summary>
    /// <param name="options">The defaults when null.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public FrugalStrategy(FrugalOptions? options = null) : base("frugal", new FrugalOptionsValidator().Require(options ?? new())) { }

    private protected override UpdateRule Projected => Recipe(Options);

    private protected override UpdateRule RuleOf(Tensor parameter, int place) =>
        Options.Split == FrugalSplit.Blocks ? Turns(Options) with { Place = place } : base.RuleOf(parameter, place);

    internal static SubspaceRule Recipe(FrugalOptions options) => options.Project(options.Adam, Lift(options), ProjectionSide.Short) with
    {
        Density = options.Density,
        OnRefresh = options.KeepsMoments ? options.OnRefresh : MomentCarryOver.Reset,
    };

    private static TurnRule Turns(FrugalOptions options) => new()
    {
        AtTurn = options.Guard is null ? options.Adam : new GuardedRule(options.Adam, options.Guard),
        Turns = (int)Math.Round(1 / options.Density),
        Every = options.RefreshEvery,
        Otherwise = options.Outside,
        Scale = options.Scale,
        OtherwiseScale = options.ResidualScale,
    };

    private static StateFreeResidual Lift(FrugalOptions options) => new() { Scale = options.Scale, ResidualScale = options.ResidualScale, Outside = options.Outside };
}
