namespace LowRankTraining;

/// <summary>Keeps a few entries of gradients, to tell later whether somebody has multiplied them by a number.</summary>
internal sealed class GradientTraces : IDisposable
{
    private const int Most = 8;

    private const long Entries = 1024;

    private readonly List<(Tensor Gradient, Tensor Before)> _traces = [];

    public bool IsEmpty => _traces.Count == 0;

    /// <value>The number that all of them have been multiplied by since, or null where there is none, or where it is 0 or next to 1.</value>
    public double? Scaling
    {
        get
        {
            using var guard = no_grad();
            using var scope = NewDisposeScope();
            var before = cat([.. _traces.Select(trace => Wide(trace.Before))]);
            var after = cat([.. _traces.Select(trace => Wide(Some(trace.Gradient)))]);

            var factor = (before.dot(after) / before.dot(before)).ToDouble();
            var isScaled = double.IsFinite(factor) && factor > 0 && Math.Abs(factor - 1) > 1e-3
                && (after - before.mul(factor)).norm().ToDouble() <= 1e-2 * after.norm().ToDouble();
            return isScaled ? factor : null;
        }
    }

    /// <summary>Takes some entries of a gradient, unless there are enough already.</summary>
    public void Add(Tensor gradient)
    {
        if (_traces.Count < Most && gradient.NumberOfElements > 0)
            _traces.Add((gradient.alias().DetachFromDisposeScope(), Some(gradient).clone().DetachFromDisposeScope()));
    }

    public void Dispose()
    {
        foreach (var (gradient, before) in _traces)
        {
            gradient.Dispose();
            before.Dispose();
        }
    }

    private static Tensor Some(Tensor gradient)
    {
        var entries = gradient.reshape(-1);
        return entries.narrow(0, 0, Math.Min(Entries, entries.NumberOfElements));
    }

    private static Tensor Wide(Tensor entries) => entries.to(ScalarType.Float64, CPU);
}
