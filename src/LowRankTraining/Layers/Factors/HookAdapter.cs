namespace LowRankTraining.Layers;

/// <summary>Factors in a hook: it is not known beforehand whether the model runs it.</summary>
/// <remarks>Until the first step has told, the weight stays in the graph. A gradient of it without a call of the hook means that the model passes the hook by:
/// the layer is shadowed from that very step on, or where that cannot be, the step is refused. Where the hook was called, that gradient is dropped before the
/// step.</remarks>
/// <param name="request">The matrix.</param>
/// <param name="settings">How its factors are made and trained.</param>
/// <param name="shadow">What trains them where the hook is passed by, or null.</param>
internal sealed class HookAdapter(in AdapterRequest request, FactorSettings settings, ShadowRule? shadow) : FactorLayerAdapter(request, settings)
{
    private static readonly StateSlot Memory = new("hook");
    private Verdict _verdict = Verdict.Open;

    private enum Verdict { Open, Hooked, Bypassed }

    public override Injection Injection => IsBypassed ? Injection.Shadow : base.Injection;

    public override bool IsReached => HasRun || (shadow is not null && IsPassedBy);

    /// <value>Whether the layer has run without its hook, while that is still to be found out.</value>
    public override bool IsPassedBy => _verdict == Verdict.Open && !base.HasRun && Weight.HasGradient();

    public override bool HasRun { get => base.HasRun || IsBypassed; set => base.HasRun = value; }

    /// <value>Whether the first step will shadow it, should the model run the layer without its hook: not where factors are given already, of which a shadow
    /// knows nothing.</value>
    public override bool ActsUnrun => shadow is not null && (IsBypassed || (_verdict == Verdict.Open && !base.HasRun && !HasProduct));

    public override IEnumerable<ParameterPlan> Plans =>
        shadow is not null && Settings.IsActiveAtOnce ? base.Plans.Prepend(WeightPlan) : base.Plans;

    public override long FrozenBytes => shadow is null && IsActive ? Weight.NumberOfElements * Weight.ElementSize : base.FrozenBytes;

    protected override ParameterPlan WeightPlan =>
        shadow is null ? base.WeightPlan : base.WeightPlan with { Rule = new WeightRule(shadow, KeepsState: ActsUnrun) };

    protected override bool TrainsFactors => !IsBypassed;

    protected override bool TrainsWeight => _verdict != Verdict.Hooked;

    private bool IsBypassed => _verdict == Verdict.Bypassed;

    public override FactorSet? FactorsIn(IOptimizerState? state) =>
        IsBypassed ? shadow!.FactorsIn(state?.StateOf(Weight), Name, Weight) : base.FactorsIn(state);

    public override void RequireRunnable()
    {
        if (shadow is not null && IsPassedBy && HasProduct)
            throw new InvalidOperationException($"The model runs '{Name}' by forward(), which passes hooks by, "
                + "so the factors that were loaded for it take no part and are not trained. "
                + "Run the layer by call() in the model, or hold it in a field of type Module<Tensor, Tensor>. Nothing was changed.");
    }

    /// <summary>A weight whose factors are trained by the hook takes no step of its own; nor does one that the model runs past factors that may be left
    /// alone.</summary>
    public override void Prepare()
    {
        if (_verdict != Verdict.Open || !IsActive)
            return;

        if (base.HasRun)
            Weight.grad = null!;
        else if (shadow is null && IsPassedBy)
        {
            _verdict = Verdict.Hooked;
            SetForm(IsActive);
        }
    }

    public override void Observe(IOptimizerState state)
    {
        base.Observe(state);
        if (_verdict != Verdict.Open || !(base.HasRun || (shadow is not null && IsPassedBy)))
            return;

        Decide(base.HasRun ? Verdict.Hooked : Verdict.Bypassed, state);
        SetForm(IsActive);
    }

    public override void Activate(IOptimizerState state)
    {
        base.Activate(state);
        Save(state);
    }

    public override void ResumeAt(long completed, IOptimizerState state)
    {
        Decide(shadow is not null ? (Verdict)state.StateOf(Weight).Counter(Memory) : completed > 0 ? Verdict.Hooked : _verdict, state);
        base.ResumeAt(completed, state);
    }

    public override void Restart(long completed, MomentReset reset, IOptimizerState state)
    {
        base.Restart(completed, IsBypassed ? reset with { Zeroed = null } : reset, state);
        if (IsBypassed)
            shadow!.Restart(Name, Weight, completed, reset, state.StateOf(Weight));
    }

    public override void ChangeRank(long completed, bool resets, IOptimizerState state)
    {
        base.ChangeRank(completed, resets, state);
        if (IsBypassed)
            shadow!.ChangeRank(Name, Weight, completed, resets, state.StateOf(Weight));
    }

    private void Decide(Verdict verdict, IOptimizerState state)
    {
        _verdict = verdict;
        if (verdict == Verdict.Bypassed)
            Reason = $"the model runs it by forward(), which passes hooks by{(Settings.Dropout > 0 ? "; without Dropout, since it sees no inputs" : "")}";
        Save(state);
    }

    private void Save(IOptimizerState state)
    {
        if (shadow is not null)
            state.StateOf(Weight).SetCounter(Memory, (long)_verdict);
    }

    /// <summary>The shadow's rule, for a state that may be with the hook's factors just as well.</summary>
    /// <param name="Shadow">The rule.</param>
    /// <param name="KeepsState">Whether it is: a hook that is reached keeps its state with the factors, after the warm start.</param>
    private sealed record WeightRule(ShadowRule Shadow, bool KeepsState) : WrappedRule(Shadow)
    {
        public override string LayoutFor(IReadOnlyList<long> shape) => $"hook or {Shadow.LayoutFor(shape)}";

        public override IEnumerable<StateSlot> SlotsFor(IReadOnlyList<long> shape) => Shadow.SlotsFor(shape).Append(Memory);

        public override long BytesFor(IReadOnlyList<long> shape) => BytesFor(shape, ScalarType.Float32);

        internal override long BytesFor(IReadOnlyList<long> shape, ScalarType dtype) =>
            KeepsState ? Shadow.BytesFor(shape, dtype) : Shadow.BytesOfWarmStart(shape, dtype);
    }
}
