using System.Diagnostics.CodeAnalysis;
using LowRankTraining.Numerics;
using LowRankTraining.Parts;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Layers;

/// <summary>A <see cref="FactorizedLinear"/> in the place of a linear layer, whose weight gives its memory back until it returns.</summary>
[SuppressMessage("Design", "CA1001", Justification = "The layer belongs to the model that it is put into.")]
internal class FactorizedAdapter(Site site, FactorizedLinear layer, string reason) : Adapter(site, reason)
{
    private readonly DormantLinear _original = new(site);
    private bool _finished;

    public override Injection Injection => Injection.Replace;

    public override long Rank => Layer.Rank;

    public override bool IsReached => Layer.Reached;

    public override bool HasRun { get => Layer.Reached; set => Layer.Reached = value; }

    public override bool IsMergeable => LowRankFactors.AreFinite(Layer.factor_V, Layer.factor_U);

    public required ulong Seed { get; init; }

    public required UpdateRule RuleOfU { get; init; }

    public required UpdateRule RuleOfV { get; init; }

    public override IEnumerable<ParameterPlan> Plans =>
        [Plan(FactorizedLinear.NameOfU, Layer.factor_U, RuleOfU), Plan(FactorizedLinear.NameOfV, Layer.factor_V, RuleOfV)];

    protected FactorizedLinear Layer { get; } = layer;

    public override void Install()
    {
        Layer.ShareWith(Site.Linear!);
        if (Layer.weight is null)
        {
            _original.GiveWayTo(Layer);
            return;
        }

        Layer.train(Site.Linear!.training);
        Site.Put(Layer);
        Weight.grad = null!;
    }

    public override void ResumeAt(long completed, IOptimizerState state) { }

    /// <summary>Puts the plain layer back, with what has been learned. A layer with an activation inside stays.</summary>
    public override void Finish(long completed)
    {
        if (!Layer.HasPlainForm)
            return;

        if (Layer.weight is not null)
            MergeIntoWeight(Layer.factor_U, Layer.factor_V, completed);

        using var scope = NewDisposeScope();
        _original.ComeBack(Layer.weight ?? Layer.EffectiveWeight().to(Layer.factor_U.dtype), Layer.training);
        Weight.requires_grad = true;
        _finished = true;
    }

    public override void Release()
    {
        if (_finished)
            Layer.Release();
    }

    /// <summary>A factor that is a weight is decayed like one; decay of what is only added to a weight would shrink something else.</summary>
    protected virtual ParameterPlan Plan(string name, Parameter parameter, UpdateRule rule) =>
        new(Site.Sibling(name), parameter, rule) { WeightDecayMultiplier = Layer.weight is null ? 1 : 0 };

    /// <summary>W₀ ← W₀ + U V. A half-precision weight is rounded stochastically.</summary>
    protected void MergeIntoWeight(Tensor u, Tensor v, long completed)
    {
        using var generator = new Generator(RandomKey.For(Seed, Name, "merge", completed), Weight.device);
        LowRankFactors.MergeInto(Weight, v, u, 1, generator);
    }
}
