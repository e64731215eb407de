using System.Diagnostics;
using LowRankTraining.Parts;
using static TorchSharp.torch;

namespace LowRankTraining.Benchmarks.Figures;

/// <summary>A basis that adds up the time it takes.</summary>
internal sealed class TimedBasis(IBasis inner) : IBasis
{
    private TimeSpan _spent;

    /// <inheritdoc/>
    public Tensor Find(in SubspaceQuery query)
    {
        var start = Stopwatch.GetTimestamp();
        var basis = inner.Find(query);
        _spent += Stopwatch.GetElapsedTime(start);
        return basis;
    }

    /// <summary>Milliseconds since the last call.</summary>
    public double Take()
    {
        var milliseconds = _spent.TotalMilliseconds;
        _spent = TimeSpan.Zero;
        return milliseconds;
    }
}
