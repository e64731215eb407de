namespace LowRankTraining;

/// <summary>Gradients of one parameter, a micro-batch each: added up as they come, or kept apart where products of each are wanted.</summary>
internal sealed class LaneGradients : IDisposable
{
    private readonly LaneSum _sum = new();
    private readonly List<Tensor?> _parts = [];

    /// <value>Those that are kept apart; null for a micro-batch without a gradient.</value>
    public IReadOnlyList<Tensor?> Parts => _parts;

    /// <value>All that is kept, added up or apart.</value>
    public IEnumerable<Tensor> Tensors => _sum.Levels.Concat(_parts.OfType<Tensor>());

    /// <summary>Takes the gradient of the next micro-batch over.</summary>
    /// <param name="gradient">Null where it has none.</param>
    /// <param name="isApart">Whether it is kept apart: of one step all are, or none.</param>
    public void Add(Tensor? gradient, bool isApart)
    {
        if (isApart)
            _parts.Add(gradient?.DetachFromDisposeScope());
        else
            _sum.Add(gradient);
    }

    /// <inheritdoc cref="LaneSum.SumWith"/>
    public Tensor? SumWith(Tensor? last) => _sum.SumWith(last);

    /// <summary>The sum of all, or null where none had a gradient. Nothing is kept.</summary>
    /// <returns>The caller disposes it.</returns>
    public Tensor? Take()
    {
        foreach (var part in _parts)
            _sum.Add(part);
        _parts.Clear();
        return _sum.Take();
    }

    /// <summary>Drops them.</summary>
    public void Dispose()
    {
        foreach (var part in _parts)
            part?.Dispose();
        _parts.Clear();
        _sum.Dispose();
    }
}
