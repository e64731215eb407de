using LowRankTraining.Parts;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Subspace;

/// <summary>Projects back, and keeps a copy of every step that it sees.</summary>
internal sealed class SpyLift : ILift
{
    public List<Projection> Projections { get; } = [];

    public List<Tensor> LowRankGradients { get; } = [];

    public bool NeedsOrthonormalBasis => false;

    public void AddTo(Tensor accumulator, in LowRankStep lowRank, double scale, StateBag state)
    {
        Projections.Add(Projection.Of(Copy(lowRank.Projection.Left), Copy(lowRank.Projection.Right)));
        LowRankGradients.Add(Copy(lowRank.LowRankGradient)!);
        lowRank.Projection.AddBack(accumulator, lowRank.Direction, scale * lowRank.Correction);
    }

    private static Tensor? Copy(Tensor? tensor) => tensor?.clone().DetachFromDisposeScope();
}
