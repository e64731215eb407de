using LowRankTraining;
using static TorchSharp.torch;

namespace LanguageModel.Training;

/// <summary>Numbers of all processes that train together.</summary>
internal static class Together
{
    /// <summary>Adds up over the processes; alone, the numbers themselves.</summary>
    public static double[] Sum(this ICollective? world, params double[] numbers)
    {
        if (world is null or { Size: 1 })
            return numbers;

        using var sum = tensor(numbers, ScalarType.Float64);
        world.AllReduce(sum);
        return sum.data<double>().ToArray();
    }

    /// <summary>Whether one of the processes says so.</summary>
    public static bool Any(this ICollective? world, bool here) => world.Sum(here ? 1 : 0)[0] > 0;

    /// <summary>This process's part of a batch.</summary>
    public static Data.TokenBatch PartOf(this ICollective? world, Data.TokenBatch batch) => world is null ? batch : batch.Part(world.Rank, world.Size);
}
