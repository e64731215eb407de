namespace LowRankTraining.Strategies;

/// <summary>The exchange of single vectors of the factors for new ones: when, which, and by what.</summary>
/// <param name="interval">Steps in which each vector has its turn once, at the start.</param>
/// <param name="decay">Factor on the rate of exchange at each step, in (0, 1].</param>
/// <param name="hold">Steps for which the other factor's vector is held still.</param>
internal sealed class Switching(double interval, double decay, long hold) : FactorFeature
{
    public override bool KeepsBase => false;

    /// <value>Factors that are random from the start are in the weight already, whether a hook runs or not.</value>
    public override bool AllowsShadow => false;

    public override UpdateRule RuleFor(string factor, FactorSettings settings, UpdateRule rule) => RuleOf(factor, settings.Adam);

    /// <summary>Draws both factors and takes their product out of the weight.</summary>
    public override void Begin(FactorLayerAdapter factors)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var (rank, columns, rows) = (factors.Rank, factors.A.shape[1], factors.B.shape[0]);
        factors.A.copy_(Candidates(factors, LowRankFactors.A, rank, columns, 0));
        factors.B.copy_(Candidates(factors, LowRankFactors.B, rows, rank, 0));
        factors.AddToWeight(factors.A, factors.B.neg(), completed: 0);
    }

    public override void AfterStep(in FactorRun run)
    {
        var completed = run.Completed;
        var due = run.Layers.Where(factors => DueAfter(completed, factors.Rank).Length > 0).ToArray();
        Adapter.RequireMergeable(due);
        foreach (var factors in due)
            Switch(factors, completed, run.State);
    }

    /// <summary>Exchanges the rows of A and the columns of B whose turn it is, with the same function.</summary>
    private void Switch(FactorLayerAdapter factors, long completed, IOptimizerState state)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var (a, b) = (factors.A, factors.B);
        var (rank, columns, rows) = (a.shape[0], a.shape[1], b.shape[0]);
        var ofA = DueAfter(completed, rank);
        long[] ofB = [.. ofA.Select(index => (index + rank / 2) % rank)];
        var (fromA, fromB, touched) = (Indices(ofA), Indices(ofB), Indices([.. ofA.Union(ofB)]));
        var (oldA, oldB) = (a.index_select(0, touched), b.index_select(1, touched));

        a.index_copy_(0, fromA, Candidates(factors, LowRankFactors.A, ofA.Length, columns, completed));
        b.index_copy_(1, fromB, Candidates(factors, LowRankFactors.B, rows, ofB.Length, completed));
        factors.AddToWeight(cat([oldA, a.index_select(0, touched)], 0), cat([oldB, b.index_select(1, touched).neg()], 1), completed);

        RuleOf(LowRankFactors.B, factors.Settings.Adam).Hold(state.StateOf(b), b, fromA, hold);
        RuleOf(LowRankFactors.A, factors.Settings.Adam).Hold(state.StateOf(a), a, fromB, hold);
        Tensor Indices(long[] indices) => tensor(indices, device: a.device);
    }

    /// <summary>The vectors whose turn it is after so many steps: one after the other, the k-th exchange is that of vector k mod r.</summary>
    private long[] DueAfter(long completed, long rank)
    {
        var (before, now) = (CountAfter(completed - 1, rank), CountAfter(completed, rank));
        return [.. Enumerable.Range(0, (int)Math.Min(rank, now - before)).Select(offset => (before + offset) % rank)];
    }

    /// <summary>⌊Σ r qᵘ / I⌋ over the steps u = 1 … t.</summary>
    private long CountAfter(long completed, long rank)
    {
        var turns = decay == 1 ? completed : decay * (1 - Math.Pow(decay, completed)) / (1 - decay);
        return (long)Math.Floor(rank * turns / interval);
    }

    /// <summary>Normal numbers for a key, the same whatever the dtype. With their standard deviations s B A has the variance of a fresh weight for s = 1/r, and
    /// both factors learn at the same pace.</summary>
    private static Tensor Candidates(FactorLayerAdapter factors, string factor, long rows, long columns, long completed)
    {
        using var scope = NewDisposeScope();
        var (n, m, r, gain) = (factors.A.shape[1], factors.B.shape[0], factors.Rank, Math.Sqrt(Math.Sqrt(1 / 3.0)));
        var deviation = gain * Math.Pow(factor == LowRankFactors.A ? Math.Sqrt(m) * r / Math.Pow(n, 1.5) : r / Math.Sqrt((double)m * n), 0.25);
        using var generator = new Generator(factors.Settings.Key(factors.Name, $"candidates of {factor}", completed));
        return generator.Normal([rows, columns], ScalarType.Float32, factors.A.device).mul_(deviation).to(factors.A.dtype).MoveToOuterDisposeScope();
    }

    /// <summary>Each row of A, and each column of B, with moments and a step counter of its own.</summary>
    private static VectorAdamRule RuleOf(string factor, AdamRule adam) => new(adam, Axis: factor == LowRankFactors.A ? 0 : 1) { CanHold = true };
}
