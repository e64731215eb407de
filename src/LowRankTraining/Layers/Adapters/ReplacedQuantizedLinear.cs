using System.Diagnostics.CodeAnalysis;
using LowRankTraining.Numerics;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Layers;

/// <summary>A <see cref="QuantizedLowRankLinear"/> in the place of a linear layer, whose weight gives its memory back while it is frozen.</summary>
[SuppressMessage("Design", "CA1001", Justification = "The layer belongs to the model that it is put into.")]
internal sealed class ReplacedQuantizedLinear(Site site, AdapterRecipe recipe, string reason)
    : ParameterAdapter(site, recipe, $"{reason}; weight in {recipe.Base}")
{
    private readonly Linear _original = site.Linear!;
    private readonly long[] _shape = site.Weight.shape;
    private QuantizedLowRankLinear _layer = null!;

    public override Injection Injection => Injection.Replace;

    public override bool IsReached => _layer.Reached;

    public override bool HasRun { get => _layer.Reached; set => _layer.Reached = value; }

    /// <value>Its codes would take the rounding of a merge for a while, and a decoded copy its memory.</value>
    public override bool CanMerge => false;

    public override long FrozenBytes => _layer.IsQuantized ? _layer.WeightBytes : 0;

    protected override Parameter A => _layer.lora_A;

    protected override Parameter B => _layer.lora_B;

    protected override DropoutMask? Dropout => _layer.Mask;

    protected override ParameterPlan WeightPlan => base.WeightPlan with { ShapeAt = completed => Recipe.Clock.IsActiveAfter(completed) ? [0] : _shape };

    public override void Install()
    {
        _layer = new QuantizedLowRankLinear(
            _original, (int)RankAfter(0), Recipe.Base, Recipe.Scale, Recipe.Dropout, Recipe.DrawKey(Name, 0),
            sharesWeight: Recipe.Clock.WarmStart > 0);
        _layer.train(_original.training);
        Start();
        LeaveBase();
        SetForm(Recipe.Clock.IsActiveAfter(0));
        Site.Put(_layer);
    }

    public override void Release()
    {
        base.Release();
        if (IsFinished)
            _layer.Release();
    }

    protected override void TakeOut()
    {
        _original.train(_layer.training);
        Site.Put(_original);
    }

    protected override void Enable(bool active)
    {
        _layer.Enabled = active;
        if (active && !_layer.IsQuantized)
            Quantize();
        else if (!active && _layer.IsQuantized)
            Unquantize();
    }

    protected override Tensor? Merge(long completed, MergeRounding rounding)
    {
        using var generator = new Generator(Recipe.MergeKey(Name, completed), A.device);
        return _layer.Add(A, B, rounding == MergeRounding.Stochastic ? generator : null, measures: rounding == MergeRounding.CarryResidual);
    }

    protected override void AddToWeight(Tensor a, Tensor b, long completed)
    {
        using var generator = new Generator(Recipe.MergeKey(Name, completed), A.device);
        _layer.Add(a, b, Recipe.Rounding == MergeRounding.Nearest ? null : generator, measures: false);
    }

    /// <summary>The plain layer gets W + s B A: there is nothing to round it to but its own dtype.</summary>
    protected override void MergeForGood(long completed)
    {
        if (!_layer.IsQuantized)
            return;

        using var scope = NewDisposeScope();
        using var generator = new Generator(Recipe.MergeKey(Name, completed), A.device);
        _original.Hold(LowRankFactors.Rounded(_layer.EffectiveWeight(), A.dtype, Recipe.Rounding == MergeRounding.Nearest ? null : generator));
    }

    private void Quantize()
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        _layer.Quantize(Weight);
        if (Recipe.Rounding == MergeRounding.CarryResidual)
            Carry(Weight.to(ScalarType.Float32, copy: true).sub_(_layer.BaseWeight()), completed: 0);
        _original.Hold(empty([0], A.dtype, device: A.device));
    }

    private void Unquantize()
    {
        using var scope = NewDisposeScope();
        _original.Hold(_layer.BaseWeight());
        _layer.Unquantize();
    }
}
