namespace LowRankTraining;

/// <content>What a scheduler that cycles the momentum, OneCycleLR, wants of an optimizer.</content>
public sealed partial class LowRankOptimizer : optim.IBetas
{
    /// <value>β₁ and β₂ of the first group; all groups get what is set. See <see cref="ParamGroup.Betas"/>.</value>
    public (double, double) Betas
    {
        get => ((ParamGroup)_parameter_groups[0]).Betas;
        set
        {
            var groups = _parameter_groups.Cast<ParamGroup>().Where(group => OwnBetas(group) is not null).DefaultIfEmpty((ParamGroup)_parameter_groups[0]);
            foreach (var group in groups.ToArray())
                group.Betas = value;
        }
    }

    /// <summary>Those of the first rule in a group that has them.</summary>
    private (double Beta1, double Beta2)? OwnBetas(ParamGroup group)
    {
        RequireLiveParameters();
        return group.Parameters.Select(parameter => ((ParameterState)_state[parameter.Handle]).Plan.Rule.Betas).FirstOrDefault(betas => betas is not null);
    }

    public sealed partial class Options
    {
        /// <summary>β₁ in place of the rules' own, in [0, 1), or null for the rules' own.</summary>
        public double? beta1;

        /// <summary>β₂ in place of the rules' own, in [0, 1), or null for the rules' own.</summary>
        public double? beta2;

        internal (double Beta1, double Beta2) RequireOwnBetas() => _optimizer!.OwnBetas(_group!)
            ?? throw new NotSupportedException("No rule of this group has a β₁ and a β₂ that a schedule can set: pass cycle_momentum: false to the scheduler.");
    }

    public sealed partial class ParamGroup : optim.IBetas
    {
        /// <value>β₁ and β₂ of the group's rules that have them, as <c>OneCycleLR</c> sets them: Adam's, in a subspace too, and Lion's. What is equal to the
        /// first rule's own leaves every rule its own. Saved with the state.</value>
        /// <exception cref="InvalidOperationException">The optimizer was disposed, or its model was moved or disposed.</exception>
        /// <exception cref="NotSupportedException">No rule of the group has them.</exception>
        /// <exception cref="ArgumentOutOfRangeException">Outside of [0, 1). Nothing was changed.</exception>
        public (double, double) Betas
        {
            get
            {
                var own = Options.RequireOwnBetas();
                return (Options.beta1 ?? own.Beta1, Options.beta2 ?? own.Beta2);
            }
            set
            {
                var own = Options.RequireOwnBetas();
                var (beta1, beta2) = value;
                if (beta1 is not (>= 0 and < 1) || beta2 is not (>= 0 and < 1))
                    throw new ArgumentOutOfRangeException(nameof(value), value, "β₁ and β₂ must be at least 0 and below 1.");

                Options.beta1 = beta1 == own.Beta1 ? null : beta1;
                Options.beta2 = beta2 == own.Beta2 ? null : beta2;
            }
        }
    }
}
