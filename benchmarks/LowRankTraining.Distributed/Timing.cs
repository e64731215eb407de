using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Distributed;

/// <summary>Times of several processes, of which the slowest counts.</summary>
internal static class Timing
{
    /// <summary>Waits until all are here.</summary>
    public static void Meet(this ICollective world)
    {
        using var ready = zeros(1);
        world.AllReduce(ready);
    }

    /// <summary>The median over rounds.</summary>
    /// <param name="world">The processes.</param>
    /// <param name="times">One for each round.</param>
    public static double Median(this ICollective world, double[] times)
    {
        using var scope = NewDisposeScope();
        var all = zeros(world.Size * times.Length, ScalarType.Float64);
        world.AllGather(tensor(times), all);
        return all.reshape(world.Size, times.Length).amax(0).median().ToDouble();
    }
}
