namespace LowRankTraining.Layers;

/// <summary>Any re-parameterized layer in the place of a linear one. A weight that the layer does not share gives its memory back until the end.</summary>
internal class LayerAdapter(in AdapterRequest request, AdapterSettings settings, ReparameterizedLinear layer)
    : Adapter(request.Site, new ReplaceInjector(request.Site) { Layer = layer }, request.Reason)
{
    private readonly Linear _plain = request.Site.Linear!;
    private bool _finished;

    public override long Rank => Layer.Rank;

    public override ReparameterizedLinear? Replacing => Layer;

    public override IEnumerable<ParameterPlan> Plans => Layer.Parts.Select(part => Plan(part.Name, part.Parameter));

    protected ReparameterizedLinear Layer { get; } = layer;

    protected override IEnumerable<Tensor> Merged => Layer.Parts.Select(part => part.Parameter);

    public override void Install()
    {
        Layer.ShareWith(_plain);
        base.Install();
        if (!SharesWeight)
        {
            _plain.HoldNothing();
            return;
        }

        Weight.requires_grad = false;
        Weight.grad = null!;
    }

    public override void After(long completed) => Layer.After(completed);

    /// <summary>Decomposes the product of the parts again, and clears their moments, which are those of other numbers.</summary>
    public void Refactor(IOptimizerState state)
    {
        Layer.Refactor();
        foreach (var (_, part) in Layer.Parts)
            settings.Adam.Reset(state.StateOf(part));
    }

    /// <summary>Puts the plain layer back, with what has been learned. A layer without a plain form stays.</summary>
    public override void Finish(long completed)
    {
        if (!Layer.HasPlainForm)
        {
            Layer.IsInSession = false;
            return;
        }

        using var scope = NewDisposeScope();
        if (SharesWeight)
            FoldIn(completed);
        else
            _plain.Hold(Layer.EffectiveWeight().to(Layer.Parts.First().Parameter.dtype));
        base.Finish(completed);
        Weight.requires_grad = !Site.WasFrozen;
        _finished = true;
    }

    public override void Release()
    {
        if (_finished)
            Layer.Release();
    }

    /// <summary>The rule of a part. Default: Adam.</summary>
    protected virtual UpdateRule RuleOf(string part) => settings.Adam;

    /// <summary>How a part is trained. A factor that is a weight is decayed like one; decay of what is only added to a weight would shrink something else, and
    /// its gradient is zero while what it is multiplied by is.</summary>
    protected virtual ParameterPlan Plan(string name, Parameter parameter) => new(Site.Sibling(name), parameter, RuleOf(name))
    {
        WeightDecayMultiplier = Layer.IsWeight ? 1 : 0,
        AcceptZeroGradient = !Layer.IsWeight,
    };

    /// <summary>W ← the effective weight, in half precision rounded stochastically.</summary>
    protected virtual void FoldIn(long completed)
    {
        using var guard = no_grad();
        using var generator = MergeGenerator(completed);
        LowRankFactors.Write(Layer.EffectiveWeight().to(Weight.dtype.Computing()), Weight, generator);
    }

    protected Generator MergeGenerator(long completed) => new(RandomKey.For(settings.Seed, Name, "merge", completed));

    private bool SharesWeight => ReferenceEquals(Layer.Shared, _plain.weight);
}
