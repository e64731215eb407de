using LowRankTraining.Parts;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Layers;

/// <summary>What is done to factors between two steps, but for restarts.</summary>
internal abstract partial class ParameterAdapter
{
    public override void ChangeRank(long completed, IOptimizerState state)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var change = RankChange.To(RankAfter(completed), A, B, Recipe.GrowthKey(Name, completed));
        if (change.Dropped is { } dropped)
            AddToWeight(dropped.A, dropped.B, completed);

        var (kindOfA, kindOfB) = (new TensorKind(A, A.shape), new TensorKind(B, B.shape));
        LowRankFactors.Resize(A, B, change.A.shape[0]);
        A.copy_(change.A);
        B.copy_(change.B);
        change.Release();

        RankChange.Apply(Recipe.OnRankChange, state.For(A), Recipe.Adam, kindOfA, Recipe.StepOf(Name, LowRankFactors.A, completed), change.CarryA);
        RankChange.Apply(Recipe.OnRankChange, state.For(B), Recipe.Adam, kindOfB, Recipe.StepOf(Name, LowRankFactors.B, completed),
            (moment, order) => change.CarryTransposedB(moment.t(), order).t());
    }

    /// <summary>Sets the least important entries of A to zero.</summary>
    /// <param name="state">Where their moments are, or null when these do not matter any more.</param>
    public void Prune(IOptimizerState? state)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        if (Survivors() is not { } survivors)
            return;

        A.mul_(survivors);
        if (Recipe.Pruning!.ForgetsState && state?.For(A) is { } bag)
            foreach (var slot in Recipe.Adam.Moments)
                slot.Change(bag, new TensorKind(A), new StepContext { Step = 0 }, moment => moment.mul_(survivors));
    }

    /// <summary>Draws both factors and takes their product out of the weight.</summary>
    public void StartAtRandom()
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var (rank, columns, rows) = (A.shape[0], A.shape[1], B.shape[0]);
        var (deviationOfA, deviationOfB) = Switching.Deviations(rows, columns, rank);
        A.copy_(Switching.Draw(rank, columns, deviationOfA, A, Recipe.CandidateKey(Name, LowRankFactors.A, 0)));
        B.copy_(Switching.Draw(rows, rank, deviationOfB, B, Recipe.CandidateKey(Name, LowRankFactors.B, 0)));
        AddToWeight(A, B.neg(), completed: 0);
    }

    /// <summary>Exchanges the rows of A and the columns of B whose turn it is, with the same function.</summary>
    public void Switch(long completed, IOptimizerState state)
    {
        if (Recipe.Switching is not { } switching || switching.DueAfter(completed, Rank) is not { Length: > 0 } ofA)
            return;

        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var (rank, columns, rows) = (A.shape[0], A.shape[1], B.shape[0]);
        long[] ofB = [.. ofA.Select(index => (index + rank / 2) % rank)];
        var (fromA, fromB, touched) = (Indices(ofA), Indices(ofB), Indices([.. ofA.Union(ofB)]));
        var (oldA, oldB) = (A.index_select(0, touched), B.index_select(1, touched));
        var (deviationOfA, deviationOfB) = Switching.Deviations(rows, columns, rank);

        A.index_copy_(0, fromA, Switching.Draw(ofA.Length, columns, deviationOfA, A, Recipe.CandidateKey(Name, LowRankFactors.A, completed)));
        B.index_copy_(1, fromB, Switching.Draw(rows, ofB.Length, deviationOfB, B, Recipe.CandidateKey(Name, LowRankFactors.B, completed)));
        AddToWeight(cat([oldA, A.index_select(0, touched)], 0), cat([oldB, B.index_select(1, touched).neg()], 1), completed);

        VectorRule(axis: 1).Hold(state.For(B), B, fromA, switching.Hold);
        VectorRule(axis: 0).Hold(state.For(A), A, fromB, switching.Hold);
        Tensor Indices(long[] indices) => tensor(indices, device: Weight.device);
    }

    /// <summary>What the end of the training makes of A, a tensor of its own or A itself.</summary>
    private Tensor FinalA() => Recipe.Pruning is { AtFinish: true } && Survivors() is { } survivors ? A.detach().mul(survivors) : A.detach();

    /// <summary>True for the entries of A that a pruning leaves; null where nothing is pruned, or nothing is known of the inputs yet.</summary>
    private Tensor? Survivors() => Recipe.Pruning is { } pruning && Inputs?.Importance(A) is { } importance ? pruning.Sparsity.Survivors(importance) : null;

    private VectorAdamRule VectorRule(int axis) => new(Recipe.Adam, axis) { CanHold = true };
}
