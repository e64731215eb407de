namespace LowRankTraining.Layers;

public sealed partial class AdapterSession
{
    private const int StepsUntilReached = 2;

    private int _observed;

    /// <summary>Refuses a step in which layers do not take part that were adapted: they would not train, and nothing would tell.</summary>
    /// <remarks>One batch may leave some of them out. A model that leaves out all of them, and has gradients elsewhere, goes past them.</remarks>
    private void RequireReached()
    {
        ForEach(adapter => adapter.RequireRunnable());
        if (_observed >= StepsUntilReached || (_method.Settings.AllowUnreached && !LeavesNothing))
            return;

        var unreached = _adapters.Where(adapter => !adapter.IsReached).ToArray();
        if (unreached.Length > 0 && (_observed + 1 == StepsUntilReached || PassesBy(unreached)))
            throw new InvalidOperationException(Unreached(unreached));
    }

    /// <summary>Whether the model runs all layers past their factors, and nothing else of it is trained.</summary>
    private bool LeavesNothing => _adapters.All(adapter => adapter.IsPassedBy) && !TrainedBeside.Any();

    private string Unreached(Adapter[] unreached)
    {
        var when = _observed == 0 ? "before the first step" : $"in {StepsUntilReached} steps";
        return $"The model has not run {Names(unreached)} {when}, so these layers do not train. {AdviceOn(unreached)}"
            + "Leave out what the model does not use with Targets.Except, or set AllowUnreached where it runs some layers rarely, as experts. "
            + "Nothing was changed.";
    }

    private bool PassesBy(Adapter[] unreached) =>
        Array.Exists(unreached, adapter => adapter.IsPassedBy)
        || unreached.Length == _adapters.Count
        && !_adapters.SelectMany(adapter => adapter.Plans).Any(HasGradient)
        && Parameters.Any(HasGradient);

    private void Observe(IOptimizerState state)
    {
        var before = _adapters.Count(adapter => adapter.Injection == Injection.Shadow);
        ForEach(adapter => adapter.Observe(state));

        var shadowed = _adapters.Where(adapter => adapter.Injection == Injection.Shadow).ToArray();
        if (shadowed.Length > before)
        {
            _method.Logger?.HooksPassedBy(Strategy, shadowed.Length - before, Names(shadowed));
            if (_method.Settings.Dropout > 0)
                _method.Logger?.DropoutWithoutInputs(Strategy, shadowed.Length, Names(shadowed));
        }

        if (_observed >= StepsUntilReached || ++_observed < StepsUntilReached)
            return;
        if (_adapters.Where(adapter => !adapter.IsReached).ToArray() is { Length: > 0 } unreached)
            _method.Logger?.NotReached(Strategy, Names(unreached));
    }

    private static bool HasGradient(ParameterPlan plan) => plan.Parameter.HasGradient();
}
