namespace LowRankTraining;

/// <summary>Adds up over the processes what each has of a gradient, in the form in which the next update needs it.</summary>
internal sealed class GradientSums(CountedWorld world, GradientWindow window, OwnedStates owned, double share) : IDisposable
{
    private readonly GradientBuckets _buckets = new(world, share);

    /// <summary>Takes in what this process has of a parameter, or zeros where only others have something.</summary>
    public void Add(ParameterState entry, LocalGradient held)
    {
        if (entry.Owner is { } owner && held == LocalGradient.Whole)
        {
            owned.Add(entry, owner);
            if (!owned.IsSummedEverywhere)
                return;
        }

        if (held == (LocalGradient.Whole | LocalGradient.Usable))
            AddProducts(entry);
        else
            AddNumbers(entry, held);
    }

    /// <summary>Sends what is left.</summary>
    public void Complete()
    {
        _buckets.Flush();
        owned.Reduce(share);
    }

    public void Dispose() => _buckets.Dispose();

    private void AddNumbers(ParameterState entry, LocalGradient held)
    {
        using var lanes = entry.Lanes.Take();
        if (held.HasFlag(LocalGradient.Projected))
        {
            var projected = entry.ProjectedOrZeros();
            _buckets.Add(lanes ?? projected, projected);
        }

        if (held.HasFlag(LocalGradient.Whole))
        {
            var gradient = entry.Parameter.grad ?? entry.SetZeroGradient();
            _buckets.Add(world.LanesHere > 1 ? lanes ?? gradient.Widened() : gradient, gradient);
        }
    }

    /// <summary>Finds a parameter's subspace, and projects, from sums of products: the gradient itself is not sent.</summary>
    private void AddProducts(ParameterState entry)
    {
        using var scope = NewDisposeScope();
        using var lanes = entry.Lanes;
        var (rows, columns) = entry.Plan.Shape.Sides();
        var like = Shapes.Placeholder(rows, columns, entry.Parameter.dtype.Computing(), entry.Parameter.device);
        Tensor?[] parts = world.LanesHere > 1 ? [.. lanes.Parts] : [entry.DenseGradient() is { } gradient ? window.Ready(gradient) : null];

        entry.Plan.Rule.Take(new SumOperator([.. parts.Select(part => part?.AsMatrix())], like, SumOf), entry.Bag, entry.Context);
        entry.Parameter.grad = null;
    }

    private Tensor SumOf(IEnumerable<Tensor?> products)
    {
        using var tree = new LaneSum();
        foreach (var product in products)
            tree.Add(product?.contiguous());
        using var sum = tree.Take()!;
        GradientBuckets.Weigh(sum, share);
        world.AllReduce(sum.view(-1));

        // In the scope of whoever has asked.
        return sum.alias();
    }
}
