using LowRankTraining.Parts;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Layers;

/// <summary>Factors that a forward hook adds to the output of a linear layer.</summary>
/// <remarks>
/// Under <see cref="Injection.Auto"/> it is not known beforehand whether the model runs the hook. Until the first step has told, the weight stays
/// in the graph: a gradient without a call of the hook means that the model goes past it, and the layer is shadowed from that very step on.
/// </remarks>
internal sealed class HookedLinear : ParameterAdapter
{
    private const string Memory = "hook";
    private readonly Linear _linear;
    private readonly HookedParts _parts;
    private readonly ShadowRule? _shadow;
    private Verdict _verdict;
    private bool _active;
    private bool _reached;
    private Action _unhook = () => { };

    public HookedLinear(Site site, AdapterRecipe recipe, string reason, bool mayShadow) : base(site, recipe, reason)
    {
        (_linear, _parts) = (site.Linear!, new HookedParts(site.Linear!));
        _verdict = mayShadow ? Verdict.Open : Verdict.Hooked;
        _shadow = mayShadow ? new ShadowRule(recipe) : null;
        var (a, b) = LowRankFactors.Make(Weight, RankAfter(0), recipe.DrawKey(site.Name, 0));
        _parts.Add(LowRankFactors.A, a);
        _parts.Add(LowRankFactors.B, b);
        Dropout = DropoutMask.For(recipe.DrawKey(site.Name, 0), recipe.Dropout);
        Start();
    }

    private enum Verdict { Open, Hooked, Bypassed }

    public override Injection Injection => _verdict == Verdict.Bypassed ? Injection.Shadow : Injection.Hook;

    public override bool IsReached => _reached || _verdict == Verdict.Bypassed || IsPassedBy;

    public override bool HasRun { get => _reached || _verdict == Verdict.Bypassed; set => _reached = value; }

    /// <value>Whether the first step will shadow it, should the model run the layer without its hook.</value>
    public override bool ActsUnrun => IsShadowed;

    public override IEnumerable<ParameterPlan> Plans =>
        _shadow is not null && Recipe.Clock.WarmStart == 0 ? base.Plans.Prepend(WeightPlan) : base.Plans;

    protected override Parameter A => _parts[LowRankFactors.A];

    protected override Parameter B => _parts[LowRankFactors.B];

    protected override DropoutMask? Dropout { get; }

    protected override ParameterPlan WeightPlan => _shadow is null
        ? base.WeightPlan
        : base.WeightPlan with { Rule = new WhereBypassed(_shadow, Recipe.Clock, () => IsShadowed) };

    /// <value>Whether the weight follows a shadow. One cannot begin where factors are given already: it knows nothing of them.</value>
    private bool IsShadowed => _verdict == Verdict.Bypassed || (_verdict == Verdict.Open && !_reached && !HasProduct);

    /// <value>Whether the layer has run without its hook, while that is still to be found out.</value>
    private bool IsPassedBy
    {
        get
        {
            if (_verdict != Verdict.Open || _reached)
                return false;
            using var gradient = Weight.grad;
            return gradient is not null;
        }
    }

    protected override bool TrainsFactors => _verdict != Verdict.Bypassed;

    protected override bool TrainsWeight => _verdict != Verdict.Hooked;

    public override void Follow() => _parts.Follow();

    public override void Install()
    {
        LeaveBase();
        _parts.Register();

        Func<nn.Module<Tensor, Tensor>, Tensor, Tensor, Tensor> hook = (_, input, output) => AddFactors(input, output);
        _unhook = _linear.register_forward_hook(hook).remove;
        SetForm(Recipe.Clock.IsActiveAfter(0));
    }

    public override void RequireRunnable()
    {
        if (IsPassedBy && HasProduct)
            throw new InvalidOperationException($"The model runs '{Name}' by forward(), which passes hooks by, "
                + "so the factors that were loaded for it take no part and are not trained. "
                + "Run the layer by call() in the model, or hold it in a field of type Module<Tensor, Tensor>. Nothing was changed.");
    }

    public override void Observe(IOptimizerState state)
    {
        base.Observe(state);
        if (_verdict != Verdict.Open || !(_reached || IsPassedBy))
            return;

        Decide(_reached ? Verdict.Hooked : Verdict.Bypassed, state);
        SetForm(_active);
    }

    public override void Activate(IOptimizerState state)
    {
        base.Activate(state);
        Save(state);
    }

    public override void ResumeAt(long completed, IOptimizerState state)
    {
        if (_shadow is not null)
            Decide((Verdict)state.For(Weight).Counter(Memory), state);
        base.ResumeAt(completed, state);
    }

    public override (long Zeroed, long Total) Restart(long completed, IOptimizerState state)
    {
        var own = base.Restart(completed, state);
        return _verdict == Verdict.Bypassed ? _shadow!.Restart(Name, Weight, completed, state.For(Weight)) : own;
    }

    public override void ChangeRank(long completed, IOptimizerState state)
    {
        base.ChangeRank(completed, state);
        if (_verdict == Verdict.Bypassed)
            _shadow!.ChangeRank(Name, Weight, completed, state.For(Weight));
    }

    protected override void TakeOut()
    {
        _unhook();
        _parts.Remove();
    }

    protected override void Enable(bool active) => _active = active;

    private void Decide(Verdict verdict, IOptimizerState state)
    {
        _verdict = verdict;
        if (verdict == Verdict.Bypassed)
            Reason = "the model runs it by forward(), which passes hooks by";
        Save(state);
    }

    private void Save(IOptimizerState state)
    {
        if (_shadow is not null)
            state.For(Weight).SetCounter(Memory, (long)_verdict);
    }

    private Tensor AddFactors(Tensor input, Tensor output)
    {
        _reached = true;
        if (!_active || _verdict == Verdict.Bypassed)
            return output;

        using var scope = NewDisposeScope();
        var rows = LowRankFactors.Rows(input);
        if (_linear.training && is_grad_enabled())
            Inputs?.See(rows);

        var hidden = LowRankFactors.Hidden(rows, A, Recipe.Scale, Dropout, _linear.training);
        var sum = LowRankFactors.Rows(output).addmm(hidden, B.t()).reshape(output.shape).MoveToOuterDisposeScope();

        // Nothing in the graph needs the plain output any more, and every layer has one.
        output.Dispose();
        return sum;
    }

    /// <summary>Full-rank steps before the factors take over, then the shadow's where the hook is passed by and none where it is not.</summary>
    private sealed record WhereBypassed(ShadowRule Shadow, RestartClock Clock, Func<bool> Bypassed) : UpdateRule
    {
        public override (double Beta1, double Beta2)? Betas => Shadow.Betas;

        public override void AddUpdate(Tensor gradient, Tensor accumulator, double scale, StateBag state, in StepContext step)
        {
            if (!Clock.IsActiveAfter(step.Step - 1) || Bypassed())
                Shadow.AddUpdate(gradient, accumulator, scale, state, step);
        }

        public override string LayoutFor(IReadOnlyList<long> shape) => $"hook or {Shadow.LayoutFor(shape)}";

        public override IEnumerable<StateSlot> SlotsFor(IReadOnlyList<long> shape) => Shadow.SlotsFor(shape).Append(new(Memory));

        /// <summary>A hook that is reached keeps its state with the factors, after the warm start.</summary>
        public override long BytesFor(IReadOnlyList<long> shape) => Bypassed() ? Shadow.BytesFor(shape) : Shadow.BytesOfWarmStart(shape);
    }
}
