namespace LowRankTraining.Mixing;

/// <summary>The gradients of the low-rank factors of a weight-space method, all their numbers.</summary>
/// <remarks>Which layers have factors with gradients may turn out in the first step only (a hook that the model passes by), or change in training (the end of a
/// warm start), so they are asked for at every use. A vector of another length than the one before is never compared with it.</remarks>
internal sealed class FactorGradients(ILowRankSession session, GradientView otherwise) : GradientView
{
    internal override string Layout => $"gradients of the factors of '{session.Strategy}', or {otherwise.Layout}";

    internal override Device Device => otherwise.Device;

    private protected override Tensor Compute() => session.FactorParameters is { Count: > 0 } factors ? WholeGradients.Flat(factors) : otherwise.Read();
}
