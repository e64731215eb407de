using System.Diagnostics.CodeAnalysis;
using LowRankTraining.Parts;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Layers;

/// <summary>A <see cref="SparseLowRankLinear"/> in the place of a linear layer, whose weight gives its memory back until it returns.</summary>
[SuppressMessage("Design", "CA1001", Justification = "The layer belongs to the model that it is put into.")]
internal sealed class SparseReplacement : Adapter
{
    private readonly SparseRecipe _recipe;
    private readonly Support _support;
    private readonly SparseLowRankLinear _layer;
    private readonly DormantLinear _original;
    private bool _finished;

    public SparseReplacement(Site site, SparseRecipe recipe, string reason) : base(site, reason)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var (rows, columns) = (Weight.shape[0], Weight.shape[1]);
        var parts = recipe.Start == WeightStart.Fresh ? recipe.Fresh(Name, rows, columns, Weight.dtype, Weight.device) : recipe.FromWeight(Name, Weight);

        (_recipe, _support, _original) = (recipe, recipe.SupportOf(Name, rows, columns), new DormantLinear(site));
        _layer = new SparseLowRankLinear(parts, site.Linear!.bias, _support, recipe.Scale, recipe.Storage);
        Reason = SparseReport.Of(reason, _support,
            recipe.Start == WeightStart.Fresh ? "the weight was discarded for new parts"
            : SparseReport.Kept(Weight, _layer.EffectiveWeight()));
    }

    public override Injection Injection => Injection.Replace;

    public override long Rank => _layer.Rank;

    public override bool IsReached => _layer.Reached;

    public override bool HasRun { get => _layer.Reached; set => _layer.Reached = value; }

    public override bool IsMergeable => _layer.IsFinite();

    public override IEnumerable<ParameterPlan> Plans
    {
        get
        {
            // While B is zero so is A's gradient: a step like any other, and none to be counted as skipped.
            yield return Plan(LowRankFactors.A, _layer.lora_A, _recipe.Adam) with { AcceptZeroGradient = true };
            yield return Plan(LowRankFactors.B, _layer.lora_B, _recipe.Adam);
            yield return Plan(SparseLowRankLinear.ValuesName, _layer.sparse_values, new SparseValuesRule(_recipe))
                with { AttachedBytes = _recipe.Storage == SupportStorage.Indices ? _support.IndexBytes : 0 };
        }
    }

    public override void Install()
    {
        _layer.ShareWith(Site.Linear!);
        _original.GiveWayTo(_layer);
    }

    public override void ResumeAt(long completed, IOptimizerState state) { }

    public override void Finish(long completed)
    {
        using var learned = _layer.EffectiveWeight();
        _original.ComeBack(learned, _layer.training);
        Weight.requires_grad = true;
        _finished = true;
    }

    public override void Release()
    {
        if (_finished)
            _layer.Release();
    }

    private ParameterPlan Plan(string part, Parameter parameter, UpdateRule rule) => new(Site.Sibling(part), parameter, rule) { WeightDecayMultiplier = 0 };
}
