using LowRankTraining.Numerics;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining;

/// <content>Subspaces that several processes find together, each from products of its own gradient.</content>
public sealed partial class LowRankOptimizer
{
    /// <summary>Whether the next update needs of a gradient only what <see cref="TakeTogether"/> sends of it.</summary>
    private bool NeedsOnlyProducts(ParameterState entry) =>
        entry.Plan.Rule.NeedsOnlyProducts(entry.Plan.Shape, entry.Bag, ContextFor(entry));

    /// <summary>Whether products of a gradient will do. Where it is not finite, or too large to be squared, the sum itself has to be looked at.</summary>
    private static Held FitnessOf(Tensor gradient) => GradientCheck.Judge(gradient) switch
    {
        GradientVerdict.Usable => Held.Usable,
        GradientVerdict.Zero => Held.Nothing,
        _ => Held.Unfit,
    };

    /// <summary>Finds a parameter's subspace, and projects, from sums of products: the gradient itself is not sent.</summary>
    private void TakeTogether(ParameterState entry, double share)
    {
        using var scope = NewDisposeScope();
        using var lanes = entry.Lanes;
        var (rows, columns) = entry.Plan.Shape.Sides();
        var like = Shapes.Placeholder(rows, columns, entry.Parameter.dtype.Computing(), entry.Parameter.device);
        Tensor?[] parts = LanesHere > 1 ? [.. lanes.Parts] : [DenseGradient(entry) is { } gradient ? Ready(gradient) : null];

        entry.Plan.Rule.Take(new SummedMatrix([.. parts.Select(part => part?.AsMatrix())], like, Sum), entry.Bag, ContextFor(entry));
        entry.Parameter.grad = null;

        Tensor Sum(IEnumerable<Tensor?> products)
        {
            using var tree = new LaneSum();
            foreach (var product in products)
                tree.Add(product?.contiguous());
            using var sum = tree.Take()!;
            GradientBuckets.Weigh(sum, share);
            _world!.AllReduce(sum.view(-1));

            // In the scope of whoever has asked.
            return sum.alias();
        }
    }
}
