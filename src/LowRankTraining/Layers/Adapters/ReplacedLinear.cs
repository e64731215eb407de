using System.Diagnostics.CodeAnalysis;
using TorchSharp.Modules;

namespace LowRankTraining.Layers;

/// <summary>A <see cref="LowRankLinear"/> in the place of a linear layer.</summary>
[SuppressMessage("Design", "CA1001", Justification = "The layer belongs to the model that it is put into.")]
internal sealed class ReplacedLinear : ParameterAdapter
{
    private readonly Linear _original;
    private readonly LowRankLinear _layer;

    public ReplacedLinear(Site site, AdapterRecipe recipe, string reason) : base(site, recipe, reason)
    {
        _original = site.Linear!;
        _layer = new LowRankLinear(_original, (int)RankAfter(0), recipe.Scale, recipe.Dropout, recipe.DrawKey(site.Name, 0)) { Inputs = Inputs };
        Start();
        SetForm(recipe.Clock.IsActiveAfter(0));
    }

    public override Injection Injection => Injection.Replace;

    public override bool IsReached => _layer.Reached;

    public override bool HasRun { get => _layer.Reached; set => _layer.Reached = value; }

    protected override Parameter A => _layer.lora_A;

    protected override Parameter B => _layer.lora_B;

    protected override DropoutMask? Dropout => _layer.Mask;

    public override void Install()
    {
        LeaveBase();
        _layer.train(_original.training);
        Site.Put(_layer);
    }

    protected override void TakeOut()
    {
        _original.train(_layer.training);
        Site.Put(_original);
    }

    protected override void Enable(bool active) => _layer.Enabled = active;
}
