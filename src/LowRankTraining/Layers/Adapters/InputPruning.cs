namespace LowRankTraining.Layers;

/// <summary>Recurring pruning of A by the size of its entries and of the inputs that they meet.</summary>
/// <param name="Decay">β of the average of the inputs' norms.</param>
/// <param name="Sparsity">What goes in each row.</param>
/// <param name="Every">Steps from one pruning to the next.</param>
/// <param name="Start">The step from which on A is pruned.</param>
/// <param name="Stop">The last step at which it can be, or null.</param>
/// <param name="AtFinish">Whether it is pruned once more before the factors are merged.</param>
/// <param name="ForgetsState">Whether pruned entries lose their moments.</param>
internal sealed record InputPruning(double Decay, Sparsity Sparsity, long Every, long Start, long? Stop, bool AtFinish, bool ForgetsState)
{
    public bool IsDueAfter(long completed) => completed >= Start && completed <= (Stop ?? long.MaxValue) && completed % Every == 0;
}
