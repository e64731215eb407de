using LowRankTraining.Schedules;

namespace LowRankTraining.Strategies;

/// <summary>PRILoRA: LoRA with ranks that grow with depth, and with recurring pruning of A by importance.</summary>
/// <remarks>
/// <para>The matrices of block ℓ of L have rank round(r_s + (r_f − r_s) ℓ / (L − 1)); a single block has r_f. A block is everything up to the first number in a
/// name, <c>layers.3</c> of <c>layers.3.attn.q_proj.weight</c>; names without a number are a block for each module, in the model's order.</para>
/// <para>While training, ẑ_j ← β ẑ_j + (1 − β) ‖X_:j‖ / √rows for each entry j of a layer's inputs. Every T steps the entries with the least |A_ij| ẑ_j in
/// each row of A are set to zero; they are trained on and may grow again until the next time.</para>
/// <para>State of an adapted m × n matrix: 2 r (m + n) + n numbers, beside r (m + n) for the factors. Scratch of a pruning: that of a few copies of A.</para>
/// <para>Matrices must be weights of linear modules that are run by <c>call</c>: inputs are seen by <see cref="Injection.Replace"/> and
/// <see cref="Injection.Hook"/> alone.</para>
/// <para>Source: Benedek and Wolf, PRILoRA, arXiv 2401.11316. The authors' code is not public; the numbers are those of the paper as it is cited.</para>
/// </remarks>
public sealed record PriLoRA : WeightSpaceMethod
{
    /// <inheritdoc/>
    public override string Name => "prilora";

    /// <value>Whether what is not adapted (embeddings, head, norms, biases) is trained too, by full-rank Adam. Default false, as in PEFT.</value>
    public override bool TrainOthers { get; init; }

    /// <value>r_f, the rank in the last block: 12 (PRILoRA).</value>
    protected override int DefaultRank => 12;

    /// <value>r_s, the rank in the first block, at least 1. Default 4 (PRILoRA): the mean is then 8, LoRA's usual rank.</value>
    public int FirstRank { get; init; } = 4;

    /// <value>α, above 0; s = α/r with the rank of the matrix. Default 8, LoRA's.</value>
    public override double Alpha { get; init; } = 8;

    /// <value>Steps from one pruning of A to the next, at least 1. Default 40 (PRILoRA).</value>
    public long PruneEvery { get; init; } = 40;

    /// <value>What is pruned in each row of A. Default: half of it (PRILoRA).</value>
    public Sparsity Sparsity { get; init; } = Sparsity.Share(0.5);

    /// <value>The step from which on A is pruned, at least 0. Default 0.</value>
    public long PruneFrom { get; init; }

    /// <value>The last step at which A can be pruned, at least <see cref="PruneFrom"/>; null for no end. Default null.</value>
    public long? PruneUntil { get; init; }

    /// <value>Whether A is pruned once more before <see cref="ILowRankSession.Finish"/> merges it, so that what was trained is what is sparse. Default
    /// true.</value>
    public bool PruneAtFinish { get; init; } = true;

    /// <value>β, decay of the average of the inputs' norms, in [0, 1). Default 0.9 (PRILoRA).</value>
    public double NormDecay { get; init; } = 0.9;

    /// <value>Whether pruned entries lose their moments, instead of growing again at once. Default false.</value>
    public bool ResetPruned { get; init; }

    private protected override AdapterMethod Method => new FactorMethod(FactorsWith(Pruning))
    {
        RanksOf = RanksFor,
        ScaleOf = (_, rank) => ScaleOf(Alpha, rank),
    };

    private InputPruning Pruning => new(NormDecay, Sparsity, PruneAtFinish)
    {
        Every = PruneEvery,
        From = PruneFrom,
        Until = PruneUntil,
        ResetsState = ResetPruned,
    };

    /// <inheritdoc/>
    public override void Check(Checks checks)
    {
        base.Check(checks);
        checks.AtLeast(1, FirstRank)
            .AtLeast(1, PruneEvery)
            .Require(Sparsity is not null, $"{checks.PathOf(nameof(Sparsity))} is null: take Sparsity.Share(0.5), for example.")
            .AtLeast(0, PruneFrom)
            .Require(PruneUntil is null || PruneUntil >= PruneFrom, $"{checks.PathOf(nameof(PruneUntil))} ({PruneUntil}) is before PruneFrom ({PruneFrom}).")
            .Fraction(NormDecay)
            .Require(Injection != Injection.Shadow,
                $"{checks.PathOf(nameof(Injection))} is Shadow: the inputs of the layers are not seen that way. Use Auto, Replace or Hook.");
    }

    /// <summary>round(r_s + (r_f − r_s) ℓ / (L − 1)) in block ℓ of L.</summary>
    private IReadOnlyList<long> RanksFor(IReadOnlyList<Site> sites)
    {
        return [.. DepthsOf([.. sites.Select(site => site.Name)]).Select(depth => RankRules.Rounded(FirstRank + (Rank - FirstRank) * depth))];
    }

    /// <summary>ℓ / (L − 1): for each name how deep its block stands, from 0 for the first to 1 for the last; 1 where there is only one.</summary>
    /// <remarks>A block is everything up to the first number in a name: <c>layers.3</c> of <c>layers.3.attn.q_proj.weight</c>. A name without a number is a
    /// block with the other parameters of its module. Blocks are counted in the order in which they first appear.</remarks>
    private static IReadOnlyList<double> DepthsOf(IReadOnlyList<string> names)
    {
        var blocks = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var name in names)
            blocks.TryAdd(BlockOf(name), blocks.Count);
        return [.. names.Select(name => blocks.Count < 2 ? 1 : (double)blocks[BlockOf(name)] / (blocks.Count - 1))];
    }

    private static string BlockOf(string name)
    {
        var parts = name.Split('.');
        var number = Array.FindIndex(parts, part => part.Length > 0 && part.All(char.IsAsciiDigit));
        return string.Join('.', parts[..(number >= 0 ? number + 1 : parts.Length - 1)]);
    }
}
