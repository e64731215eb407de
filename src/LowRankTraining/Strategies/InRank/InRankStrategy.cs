using LowRankTraining.Adapters;
using LowRankTraining.Factorized;

namespace LowRankTraining.Strategies;

/// <summary>InRank: factors whose rank grows during training for as long as it is not enough, and is then cut to what is needed.</summary>
/// <remarks>
/// <para>W = U V, or W₀ + U V. Of c + b directions that are trained, the fewest that explain the threshold's share of Σ σ² are the new c, never below the old one; after each check there are c + b of them again.
/// New rows of V are drawn and new columns of U are zero, so growth changes nothing by itself. When no layer has grown for a few checks, all are cut to c by a singular value decomposition;
/// the rest is merged into W₀, or dropped where there is none, and the moments follow the change of basis.</para>
/// <para>State of an m × n matrix: 2 (c + b)(m + n) + 2 (c + b) numbers while growing, 2 c (m + n) + 2 c afterwards. For N rows 6 N (c + b)(m + n) operations.</para>
/// <para>Differences from the authors' code: the share is of the energy, as in the paper (there it is of the variance, see <see cref="Compatibility.ReferenceCode"/>); steps are updates, where they count forward calls, evaluation included;
/// rows that are not at work take no memory; the ranks settle by themselves; moments are rotated, where they crop them; singular values come from a small core, not from the whole matrix.</para>
/// <para>Source: Zhao et al., InRank, arXiv 2306.11250.</para>
/// </remarks>
public sealed class InRankStrategy : WeightSpaceStrategy<InRank>
{
    /// <summary>Defines the method.</summary>
    /// <param name="options">The defaults when null.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public InRankStrategy(InRank? options = null) : base("inrank", new InRankOptionsValidator().Require(options ?? new())) { }

    private protected override AdapterMethod Method => new InRankMethod(Name, Options);
}
