namespace LowRankTraining.Strategies;

/// <summary>Recurring pruning of A by the size of its entries and of the inputs that they meet.</summary>
/// <param name="decay">β of the average of the inputs' norms.</param>
/// <param name="sparsity">What goes in each row.</param>
/// <param name="atFinish">Whether A is pruned once more before the factors are merged.</param>
internal sealed class InputPruning(double decay, Sparsity sparsity, bool atFinish) : FactorFeature
{
    /// <value>Steps from one pruning to the next.</value>
    public required long Every { get; init; }

    /// <value>The step from which on A is pruned.</value>
    public required long From { get; init; }

    /// <value>The last step at which it can be, or null.</value>
    public required long? Until { get; init; }

    /// <value>Whether pruned entries lose their moments.</value>
    public required bool ResetsState { get; init; }

    /// <value>A shadow sees no inputs.</value>
    public override bool AllowsShadow => false;

    public override InputWatch Watch() => new InputNorms(decay);

    public override UpdateRule RuleFor(string factor, FactorSettings settings, UpdateRule rule) =>
        factor == LowRankFactors.A ? new InputNorms.Rule(rule) : rule;

    public override void Check(IReadOnlyList<Site> sites)
    {
        var refused = sites.Where(site => !sparsity.Divides(site.Weight.shape[^1]))
            .Select(site => $"{site.Name} ({site.Weight.shape[^1]} columns)").ToArray();
        if (refused.Length > 0)
            throw new ArgumentException(
                $"A Sparsity of {sparsity} does not divide the rows of {refused.Length} of the matrices: {string.Join(", ", refused.Take(8))}. "
                + "Use Sparsity.Share, or leave them out with Targets.Except. Nothing was changed.");
    }

    public override void AfterStep(in FactorRun run)
    {
        if (run.Completed < From || run.Completed > (Until ?? long.MaxValue) || run.Completed % Every != 0)
            return;

        foreach (var factors in run.Layers)
            Prune(factors, run.State);
        run.Logger?.Pruned(run.Strategy, run.Adapters.Count, run.Completed);
    }

    public override Tensor FinalA(FactorLayerAdapter factors, Tensor a) => atFinish && Survivors(factors, a) is { } survivors ? a.mul(survivors) : a;

    /// <summary>Sets the least important entries of A to zero.</summary>
    private void Prune(FactorLayerAdapter factors, IOptimizerState state)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var a = factors.A;
        if (Survivors(factors, a) is not { } survivors)
            return;

        a.mul_(survivors);
        foreach (var slot in ResetsState ? factors.Settings.Adam.Moments : [])
            slot.Change(state.StateOf(a), new TensorKind(a), new StepContext { Step = 0 }, moment => moment.mul_(survivors));
    }

    /// <summary>True for the entries of A that a pruning leaves; null where nothing is known of the inputs yet.</summary>
    private Tensor? Survivors(FactorLayerAdapter factors, Tensor a) =>
        ((InputNorms)factors.Layer.Watch!).Importance(a) is { } importance ? sparsity.Survivors(importance) : null;
}
