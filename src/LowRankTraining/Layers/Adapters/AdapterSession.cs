namespace LowRankTraining.Layers;

/// <summary>A weight-space method at work on one model: its matrices re-parameterized, and whatever happens to them between steps.</summary>
public sealed partial class AdapterSession : ILowRankSession
{
    internal const string WhySpared = "its factors would take more state than AdamW at the default rank: it is trained as it is. Set Rank to adapt it";

    private readonly AdapterMethod _method;
    private readonly IReadOnlyList<Adapter> _adapters;
    private readonly nn.Module _model;
    private readonly IReadOnlyList<string> _order;
    private readonly Dictionary<string, ParameterPlan> _others;
    private readonly IReadOnlyDictionary<string, string> _notes;
    private readonly string[] _frozen;
    private readonly Ties? _ties;
    private IOptimizerState? _state;
    private long _completed;
    private bool _finished;
    private bool _released;

    internal AdapterSession(
        AdapterMethod method, nn.Module model, IReadOnlyList<Adapter> adapters, IEnumerable<ParameterPlan> others, IReadOnlyList<string> order,
        IReadOnlyDictionary<string, string> notes, string[] frozen, Ties? ties)
    {
        (_method, _model, _adapters, _order, _notes, _frozen, _ties) = (method, model, adapters, order, notes, frozen, ties);
        _others = others.ToDictionary(plan => plan.Name);
    }

    /// <inheritdoc/>
    public string Strategy => _method.Strategy;

    /// <inheritdoc/>
    public ulong Seed => _method.Settings.Seed;

    /// <inheritdoc/>
    public ILowRankStrategy? Method => _method.Settings.Method;

    nn.Module? ILowRankSession.Model => _model;

    bool ILowRankSession.IsFinished => _finished;

    IReadOnlyList<string> ILowRankSession.Unused => Unused;

    IReadOnlyList<Parameter>? ILowRankSession.FactorParameters => FactorParameters;

    internal long CompletedSteps => _completed;

    internal IReadOnlyList<string> Unused { get; init; } = [];

    /// <inheritdoc/>
    /// <remarks>Those that the model has now, also where it was moved to another dtype or device after the strategy was attached.</remarks>
    public IReadOnlyList<ParameterPlan> Parameters
    {
        get
        {
            ForEach(adapter => adapter.Injector.Follow());
            var adapted = _adapters.ToDictionary(adapter => adapter.Name);
            return _order.SelectMany(name => adapted.TryGetValue(name, out var adapter)
                ? adapter.Plans.Select(plan => (Settings.OwnOf(adapter.Site.Names)?.Applied(plan) ?? plan) with { Note = _notes.GetValueOrDefault(name) })
                : _others.TryGetValue(name, out var other) ? [other] : []).ToArray().In(_model);
        }
    }

    /// <value>The adapted matrices in the model's order, with how their factors entered the model and why.</value>
    /// <exception cref="InvalidOperationException">The model was disposed.</exception>
    public IReadOnlyList<AdaptedLayer> Layers
    {
        get
        {
            RequireThere();
            return [.. _adapters.Select(adapter => new AdaptedLayer(adapter.Name, adapter.Injection, adapter.Rank, ReasonOf(adapter)))];
        }
    }

    /// <value>The factors that are parameters of the model and are trained now, and so have gradients of their own.</value>
    internal IReadOnlyList<Parameter> FactorParameters =>
        [.. _adapters.Where(adapter => adapter.Injection != Injection.Shadow)
            .SelectMany(adapter => adapter.Plans.Where(plan => plan.Name != adapter.Name))
            .Select(plan => plan.Parameter)
            .Where(parameter => parameter.requires_grad)];

    /// <value>Bytes of all weights that are not trained at this moment, as they are kept.</value>
    /// <exception cref="InvalidOperationException">The model was disposed.</exception>
    public long FrozenBytes
    {
        get
        {
            RequireThere();
            return _adapters.Sum(adapter => adapter.FrozenBytes)
                + Frozen.Where(parameter => !parameter.requires_grad).Sum(parameter => parameter.NumberOfElements * parameter.ElementSize);
        }
    }

    IEnumerable<KeptRows> ILowRankSession.Kept =>
        _adapters.Select(adapter => adapter.Replacing).OfType<ReparameterizedLinear>()
            .Select(layer => new KeptRows(layer.KeptBytesPerRow, layer.RowsToKeepNothing));

    /// <value>Matrices that are too small for the default rank.</value>
    internal IReadOnlyList<string> Spared { get; init; } = [];

    /// <summary>One line for each adapted matrix: how its factors entered the model and why, and whether its rank was lowered or takes more state than AdamW;
    /// one for each that is too small for the default rank; and one for each pattern of the targets that has no effect in the model.</summary>
    /// <exception cref="InvalidOperationException">The model was disposed.</exception>
    public string Describe() => string.Join(Environment.NewLine, Layers
        .Select(layer => _notes.TryGetValue(layer.Name, out var note) ? $"{layer}; {note}" : $"{layer}")
        .Concat(Spared.Select(name => $"{name}: {WhySpared}"))
        .Concat(Unused));

    void ILowRankSession.Join(ICollective world) => ForEach(adapter => adapter.Join(world));

    void ILowRankSession.LeaveOut(IOptimizerState state) => ForEach(adapter => adapter.LeaveOut(state));

    void ILowRankSession.InLane(long lane) => ForEach(adapter => adapter.InLane(lane));

    void ILowRankSession.BeforeSave(IOptimizerState state) => ForEach(adapter => adapter.BeforeSave(state));

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">The session is finished, or had an optimizer before and has given its start to that one.</exception>
    public void Begin(IOptimizerState state)
    {
        RequireUnfinished();
        _state = state;
        ForEach(adapter => adapter.Begin(state));
    }

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">The session is finished; or the factors are merged; or they await their start, see <see cref="Initialize"/>;
    /// or the model does not run what was adapted, or no longer shares what it shared. Nothing was changed.</exception>
    public void BeforeStep()
    {
        RequireUnfinished();
        RequireUnmerged();
        RequireInitialized();
        RequireReached();
        _ties?.Require();
        foreach (var adapter in _adapters)
        {
            adapter.Injector.FindGradient();
            adapter.Prepare();
        }
    }

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">The session is finished; or factors that are to be merged hold NaN or infinity.</exception>
    public void AfterStep(in StepContext step, IOptimizerState state)
    {
        RequireUnfinished();
        Observe(state);
        _completed = step.Step;
        _method.AfterStep(_completed, _adapters, state);
        ForEach(adapter => adapter.After(_completed));
    }

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">The session is finished; or the factors are merged, and the weights from
    /// before would take the place of the loaded ones.</exception>
    public void ResumeAt(long step, IOptimizerState state)
    {
        RequireUnfinished();
        RequireUnmerged();
        _completed = step;
        foreach (var adapter in _adapters)
        {
            adapter.ResumeAt(step, state);
            adapter.After(step);
        }
    }

    /// <summary>Merges the factors into their weights and takes them out of the model: the modules, parameter names and order that it had before.</summary>
    /// <remarks>The optimizer of this session cannot step any more.</remarks>
    /// <exception cref="InvalidOperationException">Called twice; or factors hold NaN or infinity. Nothing was changed.</exception>
    public void Finish()
    {
        RequireAtWork();
        Adapter.RequireMergeable(_adapters);
        if (IsMerged)
            Unmerge();

        Instruments.Enter(Strategy);
        ForEach(adapter => adapter.Finish(_completed));
        foreach (var parameter in Frozen)
            parameter.requires_grad = true;
        _finished = true;
    }

    /// <summary>Frees the factors of a finished session. A model that is not finished keeps them, and one that is merged stays so.</summary>
    public void Dispose()
    {
        if (_released)
            return;

        foreach (var adapter in _adapters)
        {
            adapter.Injector.LeaveGradient();
            adapter.Release();
        }

        _released = _finished;
    }

    private void ForEach(Action<Adapter> act)
    {
        foreach (var adapter in _adapters)
            act(adapter);
    }

    private static string ReasonOf(Adapter adapter) => adapter.Injector.GradientNote is { } note ? $"{adapter.Reason}; {note}" : adapter.Reason;

    private IEnumerable<Parameter> Frozen => _frozen.Select(name => _model.At(name)).OfType<Parameter>();

    private void RequireUnfinished()
    {
        if (_finished)
            throw new InvalidOperationException("The session is finished: the model is a plain one again. Attach the strategy again to train on.");
    }

    /// <summary>For what a user calls; the optimizer looks by itself whether the model is still there.</summary>
    private void RequireAtWork()
    {
        RequireUnfinished();
        RequireThere();
    }

    private void RequireThere() => ParameterPlace.RequireIn(_model);

    private static string Names(IEnumerable<Adapter> adapters) => string.Join(", ", adapters.Select(adapter => $"'{adapter.Name}'"));
}

/// <summary>How one matrix was adapted.</summary>
/// <param name="Name">The weight's qualified name.</param>
/// <param name="Injection">How its factors entered the model.</param>
/// <param name="Rank">Their rank now.</param>
/// <param name="Reason">Why this way was chosen.</param>
public sealed record AdaptedLayer(string Name, Injection Injection, long Rank, string Reason)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Name}: {Injection}, rank {Rank} ({Reason})";
}
