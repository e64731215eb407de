using System.Diagnostics;
using LowRankTraining.Subspace;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Benchmarks.Figures;

/// <summary>A basis that adds up the time it takes.</summary>
internal sealed class TimedBasis(IBasis inner) : IBasis
{
    private TimeSpan _spent;

    /// <inheritdoc/>
    public Tensor Find(Tensor matrix, long rank, Tensor? previous, in StepContext step)
    {
        var start = Stopwatch.GetTimestamp();
        var basis = inner.Find(matrix, rank, previous, step);
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
