namespace LowRankTraining.Layers;

public sealed partial class AdapterSession
{
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
                $"The batch has not run {Names(lost)}, so their factors change nothing of what the model computes, and are not trained. {AdviceOn(lost)}"
                + "Leave out what the model does not use with Targets.Except, or set AllowUnreached where it runs some layers rarely, as experts. "
                + "Nothing was changed.");

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

    private string AdviceOn(Adapter[] unreached) => !unreached.Any(adapter => adapter.Injection == Injection.Hook) ? ""
        : $"A model that runs a layer by layer.forward(x) passes hooks by: call layer.call(x), {Refusal.WithoutHooks(_method)}. "
            + "Call Finish() first, which takes the factors out again. ";
}
