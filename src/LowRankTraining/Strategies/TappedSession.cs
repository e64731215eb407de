namespace LowRankTraining.Strategies;

/// <summary>A gradient-space session that takes the gradients of linear layers in the backward pass.</summary>
internal sealed class TappedSession : WrappedSession
{
    private readonly GradientFlow _flow;
    private readonly Dictionary<string, GradientSink> _sinks = [];
    private readonly Dictionary<string, TappedLayer> _taps = [];
    private readonly Dictionary<string, string> _held = [];
    private readonly ILogger? _logger;
    private bool _knowsWhatRuns;

    private TappedSession(ILowRankSession inner, GradientFlow flow, ILogger? logger) : base(inner) => (_flow, _logger) = (flow, logger);

    public override IReadOnlyList<ParameterPlan> Parameters => [.. Inner.Parameters.Select(plan =>
        _held.TryGetValue(plan.Name, out var reason) ? plan.WithNote($"whole gradient: {reason}")
        : !_sinks.TryGetValue(plan.Name, out var sink) ? plan
        : _flow == GradientFlow.Projected ? plan with { Sink = sink }
        : (plan with { Sink = sink, StepsInBackward = true }).WithNote("updated in the backward pass"))];

    /// <exception cref="ArgumentException">The value is not one of the flows.</exception>
    /// <exception cref="NotSupportedException">No rule of the method can take gradients that way.</exception>
    public static void Require(ILowRankStrategy method, GradientSpaceSession session, GradientFlow gradients)
    {
        GradientFlows.RequireDefined(gradients);
        var projecting = session.Parameters.Where(plan => plan.Rule.Projects).ToArray();
        if (gradients == GradientFlow.Stepped || projecting.Any(plan => plan.Rule.ObstacleToProjection is null))
            return;
        throw new NotSupportedException($"'{method.Name}' cannot take gradients by {nameof(GradientFlow)}.{gradients}, "
            + $"only by {GradientFlow.Whole} and {GradientFlow.Stepped}: "
            + (projecting.FirstOrDefault()?.Rule.ObstacleToProjection ?? session.WhyNothingIsProjected));
    }

    /// <summary>Hooks every layer whose gradient has another way to go than to be held. One for which that is impossible goes on holding it, with a
    /// note.</summary>
    public static TappedSession Over(nn.Module model, ILowRankSession inner, GradientFlow flow, ILogger? logger)
    {
        var session = new TappedSession(inner, flow, logger);
        try
        {
            var plans = inner.Parameters.ToDictionary(plan => plan.Name);
            foreach (var weight in NamedParameter.From(model.named_parameters(), ParameterPlace.In(model)))
                if (plans.TryGetValue(weight.Name, out var plan) && session.IsFor(weight, plan))
                    session.Tap(weight, plan);
        }
        catch
        {
            session.Unhook();
            throw;
        }

        session.Report();
        return session;
    }

    public override void BeforeStep()
    {
        FindWhatRuns();
        base.BeforeStep();
    }

    public override void Finish()
    {
        base.Finish();
        Unhook();
    }

    public override void Dispose()
    {
        Unhook();
        base.Dispose();
    }

    /// <summary>Whether a weight is one of those that the flow is about.</summary>
    private bool IsFor(NamedParameter weight, ParameterPlan plan) =>
        plan.Rule.Projects || (_flow == GradientFlow.Stepped && weight.IsMatrix && weight.Places.Any(place => CanTap(place.Module)));

    private static bool CanTap(nn.Module? module) => module is ReparameterizedLinear { Sink: not null } || TappedLayer.ObjectionTo(module) is null;

    private void Tap(NamedParameter weight, ParameterPlan plan)
    {
        if (ObjectionTo(weight, plan) is { } objection)
        {
            _held[plan.Name] = objection;
            return;
        }

        if (weight.Places[0].Module is ReparameterizedLinear { Sink: { } own })
        {
            _sinks[plan.Name] = own;
            return;
        }

        var sink = new GradientSink();
        _taps[plan.Name] = TappedLayer.On(plan.Name, weight.Places[0].Module!, sink);
        _sinks[plan.Name] = sink;
    }

    private string? ObjectionTo(NamedParameter weight, ParameterPlan plan) => weight.Places[0].Module switch
    {
        _ when _flow == GradientFlow.Projected && plan.Rule.ObstacleToProjection is { } obstacle => obstacle,
        ReparameterizedLinear { Sink: not null } when !weight.IsShared => null,
        var module => TappedLayer.ObjectionTo(module, weight.IsShared, weight.Names),
    };

    /// <summary>After the first backward pass it is known which layers the model runs by their hooks.</summary>
    private void FindWhatRuns()
    {
        if (_knowsWhatRuns)
            return;

        _knowsWhatRuns = true;
        var passedBy = _taps.Where(tap => tap.Value.IsPassedBy).Select(tap => tap.Key).ToArray();
        foreach (var name in passedBy)
            _held[name] = TappedLayer.PassesHooksBy;
        if (passedBy.Length > 0)
            Report();
    }

    private void Report()
    {
        if (_held.Count > 0)
            _logger?.GradientsHeld(Strategy, _held.Count, string.Join("; ", _held.Take(8).Select(held => $"{held.Key} ({held.Value})")));
    }

    private void Unhook()
    {
        foreach (var tap in _taps.Values)
            tap.Dispose();
        _taps.Clear();
    }
}
