namespace LowRankTraining;

/// <summary>The one optimizer of this library: learning rates, decoupled weight decay, saving and loading, around whatever rule each parameter has.</summary>
/// <remarks>
/// <para>A drop-in for TorchSharp's own optimizers: <c>zero_grad</c>, <c>step</c>, parameter groups, schedulers, <c>save_state_dict</c> and
/// <c>load_state_dict</c> work as there. A run that is saved and loaded goes on bit for bit as if it had not been interrupted.</para>
/// <para>A weight in bfloat16 or float16 is updated in float32 and rounded once, stochastically, at the end of the
/// step; a gradient in half precision is widened first.</para>
/// <para>Parameters can be frozen and thawed (<c>requires_grad</c>) at any time: a frozen one, its state included, is left as it is, and one that is thawed
/// is trained from the next step on.</para>
/// <para>A zero or non-finite gradient changes neither weight nor state, and is counted in <see cref="SkippedUpdates"/>.</para>
/// <para>Temporaries live as long as one parameter's update, so a step's peak does not grow with the number of parameters.</para>
/// </remarks>
public sealed partial class LowRankOptimizer : OptimizerHelper, IOptimizerState
{
    /// <summary>The name of the meter with the library's instruments, for <c>AddMeter</c> and <c>dotnet-counters</c>. While nobody listens they cost nothing;
    /// captured energy, overlap, effective rank and spikes are computed, and the device is waited for, only for who listens to them.</summary>
    public const string MeterName = Instruments.MeterName;

    private readonly Dictionary<ParameterIdentity, ParameterPlan> _plans;
    private readonly Dictionary<ParameterIdentity, ParameterState> _states = [];
    private readonly List<ParameterState> _entries = [];
    private readonly StepCounters _counters = new();
    private readonly Replicas? _replicas;
    private bool _disposed;

    /// <summary>Makes an optimizer for everything that <paramref name="session"/> wants optimized, and takes the
    /// session over: it is disposed with the optimizer.</summary>
    /// <param name="session">A strategy at work on a model.</param>
    /// <param name="lr">Learning rate η, at least 0.</param>
    /// <param name="weight_decay">Decoupled weight decay λ, at least 0: W ← (1 − η λ) W.</param>
    /// <exception cref="ArgumentOutOfRangeException">A negative or non-finite number.</exception>
    /// <exception cref="InvalidOperationException">The model was moved after the session began, and the session
    /// knows its parameters but not the model.</exception>
    public LowRankOptimizer(ILowRankSession session, double lr = 1e-3, double weight_decay = 0)
    {
        ArgumentNullException.ThrowIfNull(session);
        RequireNonNegative(lr, nameof(lr));
        RequireNonNegative(weight_decay, nameof(weight_decay));

        Session = session;
        Window = new(_entries);
        var plans = session.Parameters;
        RequireLive(plans);
        _plans = PlansOf(plans);
        _defaults = new Options { LearningRate = lr, InitialLearningRate = lr, weight_decay = weight_decay };
        _parameter_groups = [];
        add_param_group(new ParamGroup(plans.Select(plan => plan.Parameter)));
        session.Begin(this);
        _watch = session.Model is { } model ? new(model, Handles) : null;
    }

    /// <value>The session at work; call its <see cref="ILowRankSession.Finish"/> to get a plain model back.</value>
    public ILowRankSession Session { get; }

    /// <value>Steps taken so far, in this process and before.</value>
    public long CompletedSteps { get; private set; }

    /// <value>Updates left out because a gradient was zero throughout or not finite, in this process.</value>
    public long SkippedUpdates => _counters.ZeroGradients + _counters.NonFiniteGradients;

    /// <value>Those of <see cref="SkippedUpdates"/> whose gradient held NaN or infinity.</value>
    public long NonFiniteGradients => _counters.NonFiniteGradients;

    /// <value>Subspaces found so far, in this process.</value>
    public long Refreshes => _counters.Refreshes;

    /// <value>All parameters, in the order of checkpoints.</value>
    internal IReadOnlyList<ParameterState> Entries => _entries;

    /// <value>The gradients of the next step.</value>
    internal GradientWindow Window { get; }

    /// <value>Whether a step takes more than one gradient, of other processes or of lanes of this one.</value>
    internal bool IsParallel => _replicas is { IsParallel: true };

    /// <value>Whether the last step that a <see cref="LossScaler"/> was asked for was left out.</value>
    internal bool LeftOutLast { get; private set; }

    /// <value>Bytes of optimizer state held at this moment.</value>
    public long StateBytes => _entries.Sum(entry => entry.Bag.Bytes);

    /// <inheritdoc/>
    /// <exception cref="ObjectDisposedException">The optimizer has been disposed.</exception>
    /// <exception cref="InvalidOperationException">The model was moved or disposed after the optimizer was made.</exception>
    public StateBag StateOf(Parameter parameter)
    {
        ArgumentNullException.ThrowIfNull(parameter);
        if (!_disposed && !parameter.IsInvalid && EntryOf(parameter) is { } entry)
            return entry.Bag;

        RequireLiveParameters();
        throw new ArgumentException(parameter.IsInvalid
            ? "The parameter was disposed, as model.to(...) does with those from before: pass the one that the model has now."
            : "This optimizer does not handle the parameter.", nameof(parameter));
    }

    /// <summary>Updates every parameter that has a gradient, then lets the session merge, restart, grow or prune.</summary>
    /// <param name="closure">Re-evaluates the model and returns the loss; optional.</param>
    /// <returns>What <paramref name="closure"/> returned, or null.</returns>
    /// <exception cref="InvalidOperationException">A parameter was replaced after the optimizer was made, as <c>model.to(...)</c> does; or a learning rate or
    /// weight decay is negative or not a number by now; or a parameter that takes gradients came into the model after the strategy was attached, and nothing
    /// trains it (looked for at steps 1, 2, 4 and so on, and at least once in a hundred). Nothing was changed.</exception>
    public override Tensor step(Func<Tensor>? closure = null)
    {
        RequireLiveParameters();
        RequireUnfinished("changed");

        using var lasting = LastingTensors.Begin();
        Tensor? loss = null;
        if (closure is not null)
            using (enable_grad())
                loss = closure();

        // What has gone wrong in the closure's backward pass is found here too.
        BackwardFailure.Rethrow(Handles);
        Session.BeforeStep();
        RequireUsableGroups();
        Window.RequireUnscaled();
        Window.RequireNoneLate();
        _watch?.Look(IsParallel ? 0 : _idle);

        Instruments.Enter(Session.Strategy);
        using (no_grad())
        {
            _replicas?.Reduce();
            Window.JudgeOnDevice();
            UpdateAll();
            if (_replicas is { Owned.Any: true })
                _counters.Add(_replicas.Owned.Gather());
            Window.KeepNorm(_clipByLastNorm);
            DropWindow();
            var context = new StepContext { Step = CompletedSteps + 1, Seed = Session.Seed, Counters = _counters };
            CompletedSteps++;
            LeftOutLast = false;
            Session.AfterStep(context, this);
            _replicas?.EndStep();
            Instruments.Steps.Count();
            if (Instruments.StateBytes.Enabled)
                Instruments.ReportState(this, StateBytes);
        }

        return loss!;
    }

    private void UpdateAll()
    {
        // What has been accumulated is freed by its update: there is room then for the copies that large tables are updated in.
        var isAnyAccumulated = false;
        foreach (var entry in _entries)
            isAnyAccumulated |= entry.TakesAccumulated = entry.Accumulated is not null;

        (_idle, var zeros) = (0, _counters.ZeroGradients);
        if (isAnyAccumulated)
            UpdateThose(takeAccumulated: true);
        UpdateThose(takeAccumulated: false);
        _idle += _counters.ZeroGradients - zeros;
        TellOfNothing();
    }

    private void UpdateThose(bool takeAccumulated)
    {
        using var scope = NewDisposeScope();
        foreach (var entry in _entries)
        {
            if (entry.TakesAccumulated != takeAccumulated)
                continue;

            Window.ClipByLast(entry, _clipByLastNorm);
            Update(entry, StepOf(entry) with { Verdict = entry.Verdict });

            // A scope for each parameter would cost more than what most of them leave in it.
            if (scope.DisposablesCount > 0)
                scope.DisposeEverything();
        }
    }

    internal StepContext ContextFor(ParameterState entry) => new()
    {
        Step = CompletedSteps + 1,
        Seed = Session.Seed,
        Counters = entry.Owner is null ? _counters : _replicas!.Owned.Counters,
        Parameter = entry.Plan.Name,
        Index = entry.Index,
        AcceptZeroGradient = entry.Plan.AcceptZeroGradient,
    };

    /// <summary>The step of one parameter, with what its group sets.</summary>
    private StepContext StepOf(ParameterState entry) => ContextFor(entry) with
    {
        Beta1 = entry.Group.Options.beta1,
        Beta2 = entry.Group.Options.beta2,
        LearningRateShare = entry.Group.InitialLearningRate > 0 ? entry.Group.LearningRate / entry.Group.InitialLearningRate : 1,
    };

    private void Update(ParameterState entry, StepContext step)
    {
        if (!entry.Parameter.requires_grad || IsElsewhere(entry))
            return;

        var (plan, group) = (entry.Plan, entry.Group);
        var (gradient, sum) = (Window.GradientOf(entry), entry.Accumulated);
        if ((gradient ?? sum) is not { } evidence)
        {
            _idle += entry.IsUpdated ? 0 : 1;
            return;
        }

        var rate = group.LearningRate * plan.LearningRateMultiplier;
        var decay = rate * (group.Options.weight_decay ?? 0) * plan.WeightDecayMultiplier;

        // A refused gradient must neither decay the weight nor round it again, so where that could happen the verdict comes before the rule.
        if (decay != 0 || plan.Store is not null)
        {
            var verdict = step.Verdict ?? GradientCheck.Judge(evidence);
            step = step with { Verdict = gradient is null || sum is null ? verdict : GradientCheck.OfSum(verdict, GradientCheck.Judge(sum)) };
            if (!step.Accepts(evidence))
                return;
        }

        var accumulator = entry.Store.Open();
        step = step with { Weight = accumulator, RelativeRate = plan.Rule.RelativeRate(accumulator, entry.Bag) };

        if (!plan.DecaysAfterUpdate)
            ApplyDecay(accumulator, decay, step.RelativeRate);

        if (gradient is null)
            plan.Rule.AddAccumulated(accumulator, -rate, entry.Bag, step);
        else
            plan.Rule.AddUpdate(gradient, accumulator, -rate, entry.Bag, step);

        if (plan.DecaysAfterUpdate)
            ApplyDecay(accumulator, decay, step.RelativeRate);

        entry.Store.Close(accumulator, step);
        gradient.Free();
    }

    private bool IsElsewhere(ParameterState entry) => _replicas?.Owned.IsElsewhere(entry) == true;

    private static void ApplyDecay(Tensor accumulator, double decay, Tensor? relativeRate)
    {
        if (decay == 0)
            return;

        if (relativeRate is null)
            accumulator.mul_(1 - decay);
        else
            accumulator.mul_(relativeRate.mul(-decay).add_(1));
    }

    private void DropWindow()
    {
        Window.Drop();
        _replicas?.StartWindow();
    }

    private bool Handles(Parameter parameter) => EntryOf(parameter) is not null;

    /// <summary>What is known of a parameter, whichever object stands for it. Once it has been disposed, another tensor may lie at its address.</summary>
    private ParameterState? EntryOf(Parameter parameter) =>
        _states.TryGetValue(ParameterIdentity.Of(parameter), out var entry) && !entry.Parameter.IsInvalid ? entry : null;

    internal static void RequireNonNegative(double value, string name)
    {
        if (!double.IsFinite(value) || value < 0)
            throw new ArgumentOutOfRangeException(name, value, $"{name} must be a number of at least 0.");
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        _disposed = true;
        Instruments.DropState(this);
        if (disposing)
        {
            Window.Dispose();
            _replicas?.Dispose();
            foreach (var entry in _entries)
            {
                entry.Plan.Sink?.Close();
                entry.Bag.Dispose();
                entry.Lanes.Dispose();
            }

            Session.Dispose();
        }

        base.Dispose(disposing);
    }
}
