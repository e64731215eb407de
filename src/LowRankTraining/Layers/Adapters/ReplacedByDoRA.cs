using System.Diagnostics.CodeAnalysis;
using TorchSharp.Modules;

namespace LowRankTraining.Layers;

/// <summary>A <see cref="DoRALinear"/> in the place of a linear layer.</summary>
[SuppressMessage("Design", "CA1001", Justification = "The layer belongs to the model that it is put into.")]
internal sealed class ReplacedByDoRA : MagnitudeAdapter
{
    private readonly Linear _original;
    private readonly DoRALinear _layer;

    public ReplacedByDoRA(Site site, AdapterRecipe recipe, bool normGradient, string reason) : base(site, recipe, reason)
    {
        _original = site.Linear!;
        _layer = new DoRALinear(_original, (int)RankAfter(0), recipe.Scale, recipe.Dropout, recipe.DrawKey(site.Name, 0), normGradient);
        SetForm(active: true);
    }

    public override Injection Injection => Injection.Replace;

    public override bool IsReached => _layer.Reached;

    public override bool HasRun { get => _layer.Reached; set => _layer.Reached = value; }

    protected override Parameter A => _layer.lora_A;

    protected override Parameter B => _layer.lora_B;

    protected override Parameter Magnitude => _layer.lora_magnitude_vector;

    protected override DropoutMask? Dropout => _layer.Mask;

    public override void Install()
    {
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
