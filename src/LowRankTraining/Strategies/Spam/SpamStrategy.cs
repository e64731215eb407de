using LowRankTraining.Rules;
using LowRankTraining.Subspace;

namespace LowRankTraining.Strategies;

/// <summary>SPAM: Adam behind a guard against gradient spikes, with moments that are forgotten now and then.</summary>
/// <remarks>
/// <para>Entries with g² &gt; θ v become sign(g) √(θ v); every ΔT updates the moments start again, and the step grows back over N updates: see <see cref="SpikeGuard"/>.</para>
/// <para>State of a matrix: Adam's, 2mn numbers; with sparse momentum of density d about 2dmn, and the numbers of the rows or columns. The guard itself goes with any method: <see cref="GuardedRule"/>.</para>
/// <para>Differences from the authors' code: v is corrected for its bias before it is compared, bias correction restarts with the moments, and an entry that has no history yet is not cut to 0;
/// sparse momentum goes by whole rows or columns instead of entries, since a mask of entries costs what it saves. <see cref="Compatibility.ReferenceCode"/> follows them.</para>
/// <para>Source: Huang et al., SPAM: Spike-Aware Adam with Momentum Reset, arXiv 2501.06842.</para>
/// </remarks>
public sealed class SpamStrategy : UpdateStrategy<SpamOptions>
{
    /// <summary>Defines the method.</summary>
    /// <param name="options">The defaults when null.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public SpamStrategy(SpamOptions? options = null) : base("spam", new SpamOptionsValidator().Require(options ?? new())) { }

    private protected override GradientSpaceSession Plan(IReadOnlyList<NamedParameter> parameters, Targets? targets)
    {
        var (dense, tables) = (Dense(Options), TablesAs(Options, Dense));
        return Options.Density < 1
            ? GradientSpaceSession.Plan(Name, Options, parameters, targets ?? GradientSpaceSession.DefaultTargets, Sparse, dense, tables)
            : GradientSpaceSession.Plan(Name, Options, parameters, targets,
                candidate => candidate.IsTable ? tables : dense, Options.Adam, TablesAs(Options, options => options.Adam));
    }

    private static GuardedRule Dense(SpamOptions options) => new(options.Adam, options.Guard);

    private SubspaceRule Sparse(NamedParameter matrix)
    {
        var shape = matrix.Parameter.shape;
        var shorter = ProjectionSide.Short.Limit(shape[0], matrix.Parameter.NumberOfElements / shape[0]);
        return new()
        {
            Rank = Math.Max(1, (int)Math.Round(Options.Density * shorter)),
            Basis = new CoordinateBasis(),
            Refresh = new WithReset(Options.ResetEvery),
            Inner = Options.Adam,
            Guard = Options.Guard,
            Lift = new ProjectBack { Scale = 1 },
        };
    }

    /// <summary>At the updates at which the guard resets the moments.</summary>
    private sealed record WithReset(long Every) : IRefreshPolicy
    {
        public bool IsDue(long completed, int index, StateBag state) => (completed + 1) % Every == 0;
    }
}
