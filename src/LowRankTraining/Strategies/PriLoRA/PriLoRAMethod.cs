using LowRankTraining.Diagnostics;
using LowRankTraining.Layers;
using LowRankTraining.Schedules;

namespace LowRankTraining.Strategies;

/// <summary>Ranks by depth, and A pruned in its time.</summary>
internal sealed class PriLoRAMethod(AdapterRecipe recipe, PriLoRA options) : FactorMethod(recipe, options)
{
    private readonly InputPruning _pruning = recipe.Pruning!;
    private IReadOnlyDictionary<string, int> _blockOf = new Dictionary<string, int>();
    private int _blocks;

    public override IReadOnlyList<Injection> Ways { get; } = [Injection.Replace, Injection.Hook];

    public override long WantedRank(Site site)
    {
        var depth = _blocks < 2 ? 1 : (double)_blockOf[site.Name] / (_blocks - 1);
        return RankRules.Rounded(options.FirstRank + (options.Rank - options.FirstRank) * depth);
    }

    public override void Check(IReadOnlyList<Site> sites)
    {
        (_blockOf, _blocks) = Depth.Of(sites.Select(site => site.Name));

        var refused = sites.Where(site => !_pruning.Sparsity.Divides(site.Weight.shape[^1]))
            .Select(site => $"{site.Name} ({site.Weight.shape[^1]} columns)").ToArray();
        if (refused.Length > 0)
            throw new ArgumentException(
                $"A Sparsity of {_pruning.Sparsity} does not divide the rows of {refused.Length} of the matrices: {string.Join(", ", refused.Take(8))}. "
                + "Use Sparsity.Share, or leave them out with Targets.Except. Nothing was changed.");
    }

    public override void AfterStep(long completed, IReadOnlyList<Adapter> adapters, IOptimizerState state)
    {
        base.AfterStep(completed, adapters, state);
        if (!_pruning.IsDueAfter(completed))
            return;

        foreach (var adapter in adapters.OfType<ParameterAdapter>())
            adapter.Prune(state);
        Logger?.Pruned(Strategy, adapters.Count, completed);
    }

    /// <summary>A hook that is passed by must not become a shadow, which sees no inputs.</summary>
    protected override bool MayShadow => false;

    protected override AdapterRecipe RecipeFor(Site site)
    {
        var rank = (int)WantedRank(site);
        return Recipe with { Rank = rank, Scale = options.ScaleOf(options.Alpha, rank) };
    }
}
