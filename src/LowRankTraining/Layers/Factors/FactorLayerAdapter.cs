namespace LowRankTraining.Layers;

/// <summary>Factors in a layer of the model, put into the place of a linear one or hooked to it.</summary>
internal partial class FactorLayerAdapter : FactorAdapter
{
    private readonly Linear _plain;
    private readonly long[] _shape;
    private readonly StartedFactors _start;
    private FactorLayer? _layer;
    private (bool Factors, bool Weight)? _trained;

    public FactorLayerAdapter(in AdapterRequest request, FactorSettings settings)
        : base(request.Site, Injector.For(request.Way, request.Site), settings, request.Reason)
    {
        (_plain, _shape, _start) = (request.Site.Linear!, request.Site.Weight.shape, new(settings, request.Site.Name));
        if (!settings.Features.Any(feature => feature.FreesWeight))
            Make();
    }

    /// <value>The layer, where the model is now.</value>
    public FactorLayer Layer
    {
        get
        {
            Injector.Follow();
            return _layer!;
        }
    }

    public Parameter A => Layer.lora_A;

    public Parameter B => Layer.lora_B;

    public override ReparameterizedLinear? Replacing => Injection == Injection.Shadow ? null : Layer;

    public override long Rank => Layer.Rank;

    public override long FrozenBytes => Layer.FreesWeight ? Layer.FrozenBytes : base.FrozenBytes;

    public override bool CanMerge => Layer.CanUnmerge;

    public override IEnumerable<ParameterPlan> Plans
    {
        get
        {
            if (!Settings.IsActiveAtOnce)
                yield return WeightPlan;

            // While B is zero, as after every draw, so is A's gradient: a step like any other, and none to be counted as skipped.
            yield return Plan(LowRankFactors.A, A, rank => [rank, A.shape[1]]) with
            {
                AcceptZeroGradient = true,
                SessionSlots = Settings.Dropout > 0 ? [DropoutMask.Passes] : [],
            };
            yield return Plan(LowRankFactors.B, B, rank => [B.shape[0], rank]) with { LearningRateMultiplier = Settings.LearningRateRatio };
            foreach (var (name, part) in PartsBeside)
                yield return new ParameterPlan(Site.Sibling(name), part, Settings.Adam) { WeightDecayMultiplier = 0 };
        }
    }

    /// <value>The values tell, not what was called: they may have come from a checkpoint.</value>
    public override bool AwaitsGradient => !_start.AreGiven && !HasProduct;

    protected override IEnumerable<Tensor> Merged => Parts;

    /// <value>Whether the factors change anything: B is zero until they have been trained, or were given a start.</value>
    protected bool HasProduct
    {
        get
        {
            using var guard = no_grad();
            using var scope = NewDisposeScope();
            return B.ne(0).any().ToBoolean();
        }
    }

    /// <value>The weight itself, trained at full rank before the factors take over. Never decayed: neither is it afterwards.</value>
    protected virtual ParameterPlan WeightPlan => new(Name, Weight, Settings.Adam)
    {
        WeightDecayMultiplier = 0,
        ShapeAt = Layer.FreesWeight ? completed => Settings.IsActiveAfter(completed) ? [0] : _shape : null,
    };

    /// <value>Whether the factors are at work, or the weight is in its warm start.</value>
    protected bool IsActive { get; private set; }

    protected virtual bool TrainsFactors => true;

    protected virtual bool TrainsWeight => false;

    private IEnumerable<Parameter> Parts => Layer.Parts.Select(part => part.Parameter);

    private IEnumerable<(string Name, Parameter Parameter)> PartsBeside => Layer.Parts.Where(part => part.Name is not (LowRankFactors.A or LowRankFactors.B));

    public override FactorSet? FactorsIn(IOptimizerState? state) => new(Name, A, B, Settings.Scale)
    {
        FinalA = FinalA,
        Extra = [.. PartsBeside],
        Base = Weight,
        LeavesBase = Settings.Start.ChangesBase,
        Initial = _start.Left,
    };

    public override void Install()
    {
        if (_layer is null)
            Make();
        _start.LeaveWeight(Layer, Weight);
        SetForm(Settings.IsActiveAtOnce);
        base.Install();
        foreach (var feature in Settings.Features)
            feature.Begin(this);
    }

    public override (Tensor A, Tensor B) StartFor(Tensor gradient) => _start.For(gradient, Rank);

    public override void StartWith(Tensor a, Tensor b) => _start.Give(Layer, Weight, a, b);

    public override void After(long completed) => Layer.After(completed);

    public override void Observe(IOptimizerState state)
    {
        _start.AreGiven = true;
        LeaveOut(state);
    }

    public override void LeaveOut(IOptimizerState state)
    {
        Layer.Watch?.Settle(A);
        BeforeSave(state);
    }

    public override void BeforeSave(IOptimizerState state)
    {
        Layer.Watch?.Save(state.StateOf(A));
        Layer.Mask?.Save(state.StateOf(A));
    }

    public override void InLane(long lane) => Layer.Mask?.InLane(lane);

    public override void Join(ICollective world) => _layer!.Watch?.Join(world);

    public override void ResumeAt(long completed, IOptimizerState state)
    {
        _start.AreGiven = !Settings.Start.NeedsGradient || completed > 0;
        _layer!.Watch?.Load(state.StateOf(A));
        _layer.Mask?.ResumeAt(completed, state.StateOf(A));
        LowRankFactors.Resize(A, B, RankAfter(completed));
        SetForm(Settings.IsActiveAfter(completed));
    }

    public override void Activate(IOptimizerState state)
    {
        state.StateOf(Weight).Clear();
        SetForm(active: true);
    }

    public override void Restart(long completed, MomentReset reset, IOptimizerState state)
    {
        var carries = Settings.Rounding == MergeRounding.CarryResidual;
        using var rounding = carries ? null : RoundingAt(completed);
        using var loss = Layer.FoldIn(rounding, measures: carries);

        var resizes = RankAfter(completed) != Rank;
        LowRankFactors.Resize(A, B, RankAfter(completed));
        _start.Again(Layer, Weight, completed);
        if (Settings.StartAfter(completed).ChangesBase)
        {
            using var negative = B.detach().neg();
            AddToWeight(A, negative, completed);
        }

        Carry(loss, completed);
        foreach (var (name, factor) in new[] { (LowRankFactors.A, A), (LowRankFactors.B, B) })
            if (resizes)
                reset.Clear(state.StateOf(factor), Settings.Adam, factor.numel());
            else
                reset.Apply(state.StateOf(factor), Settings.Adam, new TensorKind(factor),
                    [(moment => moment, Settings.Key(Name, $"reset {name}", completed))]);
    }

    public override void ChangeRank(long completed, bool resets, IOptimizerState state)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var change = ResizedFactors.To(RankAfter(completed), A, B, Settings.Key(Name, ResizedFactors.NewRows, completed));
        if (change.Dropped is { } dropped)
            AddToWeight(dropped.A, dropped.B, completed);

        var (kindOfA, kindOfB) = (new TensorKind(A, A.shape), new TensorKind(B, B.shape));
        LowRankFactors.Resize(A, B, change.A.shape[0]);
        Layer.Take(change.A, change.B);
        change.Release();

        ResizedFactors.Apply(resets, state.StateOf(A), Settings.Adam, kindOfA, Settings.StepOf(Name, LowRankFactors.A, completed), change.CarryA);
        ResizedFactors.Apply(resets, state.StateOf(B), Settings.Adam, kindOfB, Settings.StepOf(Name, LowRankFactors.B, completed),
            (moment, order) => change.CarryTransposedB(moment.t(), order).t());
    }

    /// <summary>W ← W + s B A for any factors.</summary>
    public void AddToWeight(Tensor a, Tensor b, long completed)
    {
        using var rounding = RoundingAt(completed);
        Layer.Add(a, b, rounding, measures: false);
    }

    public override void Release()
    {
        _merge?.Dispose();
        _start.Dispose();
        if (!_finished)
            return;
        _layer!.Watch?.Dispose();
        _layer.Release();
    }

    protected void SetForm(bool active)
    {
        IsActive = active;
        using (var loss = Layer.Activate(active && TrainsFactors, _plain, measures: Settings.Rounding == MergeRounding.CarryResidual))
            Carry(loss, completed: 0);

        // What was frozen or thawed since stays so for as long as the form is the same.
        var trained = (active && TrainsFactors, !active || TrainsWeight);
        if (trained == _trained)
            return;

        _trained = trained;
        foreach (var parameter in Parts)
            parameter.requires_grad = trained.Item1;
        Weight.requires_grad = trained.Item2;
        if (!Weight.requires_grad)
            Weight.grad = null!;

        // A gradient that has been zeroed, not dropped, would count as a step of factors that do not train.
        foreach (var parameter in Parts.Where(parameter => !parameter.requires_grad))
            parameter.grad = null!;
    }

    private void Make()
    {
        var (rank, key) = ((int)RankAfter(0), Settings.DrawKey(Name, 0));
        _layer = Settings.Features.Select(feature => feature.Layer(_plain, Injector.Injection, Settings, rank, key)).FirstOrDefault(layer => layer is not null)
            ?? new LowRankLinear(_plain, rank, Settings.Scale, Settings.Dropout, key);
        _layer.Watch = Settings.Features.Select(feature => feature.Watch()).FirstOrDefault(watch => watch is not null);
        ((LayerInjector)Injector).Layer = _layer;
        Reason = _layer.Note is { } note ? $"{Reason}; {note}" : Reason;
        _start.Begin(_layer, Weight, key);
    }

    /// <summary>Lets the factors start from what rounding has lost.</summary>
    private void Carry(Tensor? loss, long completed)
    {
        if (loss is not null)
            MergeLoss.Carry(A, B, loss, Settings.Scale, Settings.Key(Name, "carry", completed));
    }

    private Generator? RoundingAt(long completed) =>
        Settings.Rounding == MergeRounding.Nearest ? null : new(Settings.Key(Name, "merge", completed));

    private ParameterPlan Plan(string factor, Parameter parameter, Func<long, long[]> shape) =>
        new(Site.Sibling(factor), parameter, Settings.RuleOf(factor))
        {
            WeightDecayMultiplier = 0,
            ShapeAt = completed => shape(RankAfter(completed)),
        };
}
