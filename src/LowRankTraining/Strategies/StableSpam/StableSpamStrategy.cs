using LowRankTraining.Rules;

namespace LowRankTraining.Strategies;

/// <summary>Stable-SPAM: Adam behind a guard that learns how large gradients usually are, for training in few bits.</summary>
/// <remarks>
/// <para>Entries above the usual largest one are cut (AdaClip), the norm is brought to its usual size (AdaGN), the moments start again every ΔT updates (MoRet), and β₁ may fall over training:
/// see <see cref="StabilityGuard"/> and <see cref="MomentumSchedule"/>.</para>
/// <para>State of a matrix: Adam's 2mn numbers and three scalars.</para>
/// <para>Differences from the authors' code: the usual sizes are corrected with a clock of their own, so that AdaClip works after a reset too (there the threshold is up to 500 times too large);
/// the step of a reset uses the fresh moments. <see cref="Compatibility.ReferenceCode"/> follows them.</para>
/// <para>Source: Huang et al., Stable-SPAM, arXiv 2502.17055.</para>
/// </remarks>
public sealed class StableSpamStrategy : UpdateStrategy<StableSpamOptions>
{
    /// <summary>Defines the method.</summary>
    /// <param name="options">The defaults when null.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public StableSpamStrategy(StableSpamOptions? options = null) : base("stable-spam", new StableSpamOptionsValidator().Require(options ?? new())) { }

    private protected override GradientSpaceSession Plan(IReadOnlyList<NamedParameter> parameters, Targets? targets)
    {
        var (guarded, tables) = (Guarded(Options), TablesAs(Options, Guarded));
        return GradientSpaceSession.Plan(Name, Options, parameters, targets,
                candidate => candidate.IsTable ? tables : guarded, Options.Adam, TablesAs(Options, options => options.Adam));
    }

    private static GuardedRule Guarded(StableSpamOptions options) => new(options.Adam, options.Guard);
}
