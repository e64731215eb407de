using LowRankTraining.Numerics;
using LowRankTraining.Parts;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Layers;

/// <summary>An adapter whose factors are parameters of the model.</summary>
internal abstract partial class ParameterAdapter(Site site, AdapterRecipe recipe, string reason) : FactorAdapter(site, recipe, reason)
{
    private bool _active;

    /// <value>What the layer's inputs are like, where that matters.</value>
    protected InputNorms? Inputs { get; } = recipe.Pruning is { } pruning ? new InputNorms(pruning.Decay) : null;

    protected abstract Parameter A { get; }

    protected abstract Parameter B { get; }

    public override long Rank => A.shape[0];

    public override IEnumerable<ParameterPlan> Plans
    {
        get
        {
            if (Recipe.Clock.WarmStart > 0)
                yield return WeightPlan;

            // While B is zero, as after every draw, so is A's gradient: a step like any other, and none to be counted as skipped.
            yield return Plan(LowRankFactors.A, A, rank => [rank, A.shape[1]]) with { AcceptZeroGradient = true };
            yield return Plan(LowRankFactors.B, B, rank => [B.shape[0], rank]) with { LearningRateMultiplier = Recipe.LearningRateRatio };
        }
    }

    /// <value>Whether the factors change anything: B is zero until they have learnt, or were given a start.</value>
    protected bool HasProduct
    {
        get
        {
            using var guard = no_grad();
            using var scope = NewDisposeScope();
            return B.ne(0).any().ToBoolean();
        }
    }

    public override bool IsMergeable => LowRankFactors.AreFinite(A, B);

    /// <value>The weight itself, trained at full rank before the factors take over. Never decayed: neither is it afterwards.</value>
    protected virtual ParameterPlan WeightPlan => new(Name, Weight, Recipe.Adam) { WeightDecayMultiplier = 0 };

    /// <value>The parameters that are this adapter's, not the model's.</value>
    protected virtual IEnumerable<Parameter> Own => [A, B];

    /// <value>What drops entries of the input, or null.</value>
    protected virtual DropoutMask? Dropout => null;

    /// <value>Whether the model is a plain one again, and what has left it can be freed.</value>
    protected bool IsFinished { get; private set; }

    protected virtual bool TrainsFactors => true;

    protected virtual bool TrainsWeight => false;

    public override void Activate(IOptimizerState state)
    {
        state.For(Weight).Clear();
        SetForm(active: true);
    }

    public override void After(long completed) => Dropout?.After(completed);

    public override void Observe(IOptimizerState state) => Inputs?.Save(state.For(A));

    public override void ResumeAt(long completed, IOptimizerState state)
    {
        _hasStart = Recipe.Init != FactorInit.LoRAGA || completed > 0;
        Inputs?.Load(state.For(A));
        LowRankFactors.Resize(A, B, RankAfter(completed));
        SetForm(Recipe.Clock.IsActiveAfter(completed));
    }

    public override (long Zeroed, long Total) Restart(long completed, IOptimizerState state)
    {
        using var loss = Merge(completed, Recipe.Rounding);

        var shrinks = RankAfter(completed) != A.shape[0];
        LowRankFactors.Resize(A, B, RankAfter(completed));
        LowRankFactors.Redraw(A, B, Recipe.DrawKey(Name, completed));
        if (loss is not null)
            Carry(loss, completed);

        var (a, b) = (Reset(LowRankFactors.A, state.For(A), completed, shrinks), Reset(LowRankFactors.B, state.For(B), completed, shrinks));
        return (a.Zeroed + b.Zeroed, a.Total + b.Total);
    }

    public override void Finish(long completed)
    {
        if (Recipe.Pruning is { AtFinish: true })
            Prune(state: null);
        MergeForGood(completed);
        using (no_grad())
            B.zero_();
        TakeOut();
        Weight.requires_grad = !Site.WasFrozen;
        IsFinished = true;
    }

    public override void Release()
    {
        _premerged?.Dispose();
        Initial?.Dispose();
        if (!IsFinished)
            return;
        foreach (var parameter in Own)
            parameter.Dispose();
        Inputs?.Dispose();
    }

    /// <summary>Undoes <see cref="Adapter.Install"/>.</summary>
    protected abstract void TakeOut();

    /// <summary>Switches the factors' part in the forward pass on or off.</summary>
    protected abstract void Enable(bool active);

    protected void SetForm(bool active)
    {
        _active = active;
        Enable(active);
        foreach (var parameter in Own)
            parameter.requires_grad = active && TrainsFactors;
        Weight.requires_grad = !active || TrainsWeight;
        if (!Weight.requires_grad)
            Weight.grad = null!;

        // A gradient that has been zeroed, not dropped, would count as a step of factors that do not train.
        foreach (var parameter in Own.Where(parameter => !parameter.requires_grad))
            parameter.grad = null!;
    }

    /// <summary>Folds the factors into the weight, rounding to the nearest where there is no generator.</summary>
    protected virtual void FoldIn(Generator? rounding) => LowRankFactors.MergeInto(Weight, A, B, Recipe.Scale, rounding);

    /// <summary>Folds the factors into the weight.</summary>
    /// <returns>What rounding has lost, where the next factors are to carry it, else null.</returns>
    protected virtual Tensor? Merge(long completed, MergeRounding rounding)
    {
        if (rounding == MergeRounding.CarryResidual)
            return MergeLoss.OfMerge(Weight, A, B, Recipe.Scale);

        using var generator = new Generator(Recipe.MergeKey(Name, completed), Weight.device);
        FoldIn(rounding == MergeRounding.Stochastic ? generator : null);
        return null;
    }

    /// <summary>Folds the last factors into the weight. None follow that could carry anything.</summary>
    protected virtual void MergeForGood(long completed) => FoldInForGood(completed);

    /// <summary>Folds the factors into the weight, rounded as where none follow that could carry anything.</summary>
    protected void FoldInForGood(long completed)
    {
        using var generator = new Generator(Recipe.MergeKey(Name, completed), Weight.device);
        FoldIn(Recipe.Rounding == MergeRounding.Nearest ? null : generator);
    }

    /// <summary>W ← W + s B A for factors other than the ones at work.</summary>
    protected virtual void AddToWeight(Tensor a, Tensor b, long completed)
    {
        using var generator = new Generator(Recipe.MergeKey(Name, completed), Weight.device);
        LowRankFactors.MergeInto(Weight, a, b, Recipe.Scale, generator);
    }

    /// <summary>Lets the factors start from what was lost.</summary>
    protected void Carry(Tensor loss, long completed) => MergeLoss.Carry(A, B, loss, Recipe.Scale, RandomKey.For(Recipe.Seed, Name, "carry", completed));

    private (long Zeroed, long Total) Reset(string factor, StateBag state, long completed, bool shrinks)
    {
        if (!shrinks)
            return Recipe.Reset.Apply(
                state, Recipe.Adam, new TensorKind(factor == LowRankFactors.A ? A : B),
                [(moment => moment, Recipe.MaskKey(Name, factor, completed))]);

        Recipe.Reset.Clear(state, Recipe.Adam);
        var entries = (factor == LowRankFactors.A ? A : B).numel();
        return (entries, entries);
    }

    private UpdateRule RuleOf(string factor) => this switch
    {
        _ when Recipe.Switching is not null => VectorRule(axis: factor == LowRankFactors.A ? 0 : 1),
        _ when Inputs is not null && factor == LowRankFactors.A => new InputNorms.Rule(Recipe.Adam),
        _ => Recipe.FactorRule,
    };

    private ParameterPlan Plan(string factor, Parameter parameter, Func<long, long[]> shape) =>
        new(Site.Sibling(factor), parameter, RuleOf(factor))
        {
            WeightDecayMultiplier = 0,
            ShapeAt = completed => shape(RankAfter(completed)),
        };
}
