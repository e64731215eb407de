namespace LowRankTraining.Layers;

/// <content>Whether the model runs what was adapted.</content>
public sealed partial class AdapterSession
{
    private const int StepsUntilReached = 2;

    private int _observed;

    /// <value>The model's matrices that are not adapted, each with the reason.</value>
    public IReadOnlyList<(string Name, string Reason)> LeftOut { get; internal init; } = [];

    /// <summary>Runs a batch and tells which of the adapted matrices take part in it: for training, before the first step, and for factors that were loaded
    /// and will never see one.</summary>
    /// <param name="batch">Runs the model, and backward too if gradients are to be looked at; those are the caller's to zero. No step.</param>
    /// <remarks>A model that runs a layer by <c>layer.forward(x)</c> passes hooks by, and computes what it would without the factors.</remarks>
    /// <exception cref="InvalidOperationException">Factors have no part in what the model computes, each of them named, as often as this is called.
    /// With <c>AllowUnreached</c> they are <see cref="Verification.Idle"/> only. Nothing was changed.</exception>
    public Verification Verify(Action batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        RequireAtWork();

        var before = _adapters.Select(adapter => adapter.HasRun).ToArray();
        ForEach(adapter => adapter.HasRun = false);

        Adapter[] idle;
        try
        {
            batch();
            idle = [.. _adapters.Where(adapter => !adapter.HasRun)];
        }
        finally
        {
            foreach (var (adapter, had) in _adapters.Zip(before))
                adapter.HasRun |= had;
        }

        var lost = idle.Where(adapter => !adapter.ActsUnrun).ToArray();
        if (lost.Length > 0 && !_method.Settings.AllowUnreached)
            throw new InvalidOperationException(
                $"The batch has not run {Names(lost)}, so their factors change nothing of what the model computes, and are not trained. {AdviceOn(lost)}");

        return new Verification
        {
            Acting = [.. _adapters.Except(idle).Select(adapter => adapter.Name)],
            Idle = [.. idle.Select(adapter => adapter.Name)],
            WithoutGradient = Parameters.Any(HasGradient)
                ? [.. _adapters.Where(adapter => !adapter.Plans.Any(HasGradient)).Select(adapter => adapter.Name)]
                : [],
            LeftOut = LeftOut,
        };
    }

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
        return $"The model has not run {Names(unreached)} {when}, so these layers do not train. {AdviceOn(unreached)}";
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

    private static bool HasGradient(ParameterPlan plan) => plan.Parameter.HasGradient() || plan.Sink is { HasReceived: true };

    private string AdviceOn(Adapter[] unreached)
    {
        var hooks = !unreached.Any(adapter => adapter.Injection == Injection.Hook) ? ""
            : $"A model that runs a layer by layer.forward(x) passes hooks by: call layer.call(x), {Refusal.WithoutHooks(_method)}. "
                + "Call Finish() first, which takes the factors out again. ";
        return $"{hooks}Leave out what the model does not use with Targets.Except, or set AllowUnreached where it runs some layers rarely, as experts. "
            + "Nothing was changed.";
    }
}

/// <summary>What a batch has shown of adapters at work; see <see cref="AdapterSession.Verify"/>.</summary>
public sealed record Verification
{
    /// <value>The adapted matrices whose factors took part in the batch; shadowed ones are part of the weight at all times.</value>
    public required IReadOnlyList<string> Acting { get; init; }

    /// <value>Those that did not: the first step shadows them, should they get a gradient; or <c>AllowUnreached</c> allows it.</value>
    public required IReadOnlyList<string> Idle { get; init; }

    /// <value>Those that got no gradient, where the batch ran backward at all; else empty.</value>
    public required IReadOnlyList<string> WithoutGradient { get; init; }

    /// <value>The model's other matrices, each with the reason.</value>
    public required IReadOnlyList<(string Name, string Reason)> LeftOut { get; init; }

    /// <summary>One line for the adapters, one for each that is idle or got no gradient, and one for each matrix left out.</summary>
    public override string ToString() => string.Join(Environment.NewLine,
    [
        $"{Acting.Count} of {Acting.Count + Idle.Count} adapted matrices act; "
            + $"{LeftOut.Count} of {Acting.Count + Idle.Count + LeftOut.Count} matrices are left out",
        .. Idle.Select(name => $"{name}: not run by call() in the batch (a layer that the model runs by forward() is shadowed in the first step)"),
        .. WithoutGradient.Select(name => $"{name}: no gradient"),
        .. LeftOut.Select(matrix => $"{matrix.Name}: left out ({matrix.Reason})"),
    ]);
}
