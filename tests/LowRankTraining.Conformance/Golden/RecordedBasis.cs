using LowRankTraining.Numerics;
using LowRankTraining.Parts;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Golden;

/// <summary>The bases of a case, where they were drawn at random and cannot be found again.</summary>
public sealed record RecordedBasis(GoldenCase Golden) : IBasis
{
    public Tensor Find(in SubspaceQuery query)
    {
        using var scope = NewDisposeScope();
        var recorded = Trajectory.ToTensor(Golden[$"basis.{query.Step.Step}"]);
        return (recorded.shape[0] == query.Matrix.shape[0] ? recorded : recorded.t().contiguous()).MoveToOuterDisposeScope();
    }
}

/// <summary>The same for coordinates.</summary>
public sealed record RecordedCoordinates(GoldenCase Golden) : ISelectedBasis
{
    public Tensor Find(in SubspaceQuery query) =>
        tensor(Golden[$"basis.{query.Step.Step}"].Values.Select(index => (long)index).ToArray(), device: query.Matrix.device);
}

/// <summary>Another basis, with the signs that all cases were recorded with: the entry of largest magnitude of each column is positive.</summary>
public sealed record WithRecordedSigns(IBasis Basis) : IBasis
{
    public Tensor Find(in SubspaceQuery query)
    {
        using var found = Basis.Find(query);
        return Orthonormal.WithCanonicalSigns(found);
    }
}
