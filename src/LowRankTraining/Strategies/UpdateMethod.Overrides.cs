namespace LowRankTraining.Strategies;

/// <content>What is done otherwise with some parameters, and with those that come later.</content>
public abstract partial record UpdateMethod
{
    private ParameterOptions? OptionsOf(NamedParameter candidate) => Overrides.FirstOrDefault(row => row.IsFor(candidate.Names));

    /// <inheritdoc/>
    /// <remarks>A matrix is projected where the group is given a method, and has the rule of everything else where it is not; the numbers are the method's own
    /// either way.</remarks>
    ParameterPlan ILowRankStrategy.PlanAdded(string name, Parameter parameter, bool isTarget)
    {
        Checks.Require(this);
        var candidate = new NamedParameter(name, parameter, [new(name, null)]);
        var own = OptionsOf(candidate);
        var role = new ParameterRole(name, parameter, isTarget && candidate.IsMatrix, candidate.IsTable, Place: 0);
        return PlanOf(candidate, (own is null ? this : With(own)).RuleFor(role), own);
    }

    private ParameterPlan PlanOf(NamedParameter candidate, UpdateRule rule, ParameterOptions? own)
    {
        var plan = GradientSpaceSession.Plan(candidate, rule) with
        {
            DecaysAfterUpdate = DecaysAfterUpdate,
            AcceptZeroGradient = FollowsCode,
            KeepsRemainder = KeepsRemainders,
        };
        return own?.Applied(plan) ?? plan;
    }

    private static long BytesOfAdamW(Parameter parameter) => 2 * sizeof(float) * parameter.shape.Elements();

    /// <summary>What the method would have against itself with the options of a row.</summary>
    private IEnumerable<string> ObjectionsTo(ParameterOptions own)
    {
        try
        {
            return Checks.Of(With(own) with { Overrides = [] }).Except(Checks.Of(this with { Overrides = [] }));
        }
        catch (NotSupportedException unable)
        {
            return [unable.Message];
        }
    }
}
