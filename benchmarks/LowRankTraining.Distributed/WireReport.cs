using System.Diagnostics;
using System.Globalization;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Distributed;

/// <summary>Gradients on the wire, with nothing else to do.</summary>
internal static class WireReport
{
    private const int Bucket = 16 << 20, Message = 1 << 20;

    /// <summary>Measures on all processes.</summary>
    public static string Of(ICollective world, int rounds)
    {
        var whole = Payload.Whole(Payload.SixtyMillion);
        var lowRank = Payload.Projected(Payload.SixtyMillion, rank: 64);

        using Tensor buffer = zeros(8 << 18, ScalarType.Float32), sum = zeros_like(buffer);
        var (ours, theirs) = (Times(() => world.AllReduce(buffer)), Times(() => PlainAllReduce.Sum(buffer, sum)));
        var inBackground = world.Background is { } background ? Times(() => Send(background, buffer.numel(), Message)) : double.NaN;
        var (wholeTime, lowRankTime) = (Times(() => Send(world, whole, Bucket)), Times(() => Send(world, lowRank, Bucket)));
        return string.Create(CultureInfo.InvariantCulture, $"""
            | what | numbers | ms | MB/s sent by each |
            |---|---|---|---|
            {Row("8 MB by ICollective.AllReduce", buffer.numel(), ours)}
            {Row("8 MB by MPI_Allreduce", buffer.numel(), theirs)}
            {Row("8 MB by ICollective.Background, 1 MB at a time", buffer.numel(), inBackground)}
            {Row("60m, whole gradients", whole, wholeTime)}
            {Row("60m, GaLore of rank 64 between refreshes", lowRank, lowRankTime)}

            ICollective.AllReduce has {theirs / ours:P0} of the bandwidth of MPI_Allreduce;
            GaLore is on the wire for {lowRankTime / wholeTime:0.00} of the time of whole gradients.
            """);

        string Row(string what, long numbers, double milliseconds) => FormattableString.Invariant(
            $"| {what} | {numbers:N0} | {milliseconds:0.0} | {2.0 * (world.Size - 1) / world.Size * numbers * sizeof(float) / 1e3 / milliseconds:0} |");

        double Times(Action exchange)
        {
            exchange();
            return world.Median([.. Enumerable.Range(0, rounds).Select(_ =>
            {
                world.Meet();
                var started = Stopwatch.GetTimestamp();
                exchange();
                return Stopwatch.GetElapsedTime(started).TotalMilliseconds;
            })]);
        }
    }

    /// <summary>As the optimizer sends them: in buckets.</summary>
    private static void Send(ICollective world, long numbers, int bucket)
    {
        using var numbersOfBucket = zeros(bucket / sizeof(float), ScalarType.Float32);
        for (; numbers > 0; numbers -= numbersOfBucket.numel())
        {
            using var part = numbersOfBucket.narrow(0, 0, Math.Min(numbers, numbersOfBucket.numel()));
            world.AllReduce(part);
        }
    }
}
