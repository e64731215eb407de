using FluentAssertions;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Parallel;

/// <summary>Sums of tensors that come one after the other, on every rank in its own order.</summary>
public class OverlappedSumsTests
{
    private static readonly long[] Lengths = [200_000, 5, 300_000, 40_000, 1_000_000, 17];

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Are_those_of_the_tree_whatever_comes_first(int size) => InProcessWorld.Run(size, world =>
    {
        using var scope = NewDisposeScope();
        using var queue = new WorkQueue();
        using var sums = Open(world, queue, tokens: 1);
        foreach (var place in Enumerable.Range(0, Lengths.Length).OrderBy(place => (place * (world.Rank + 2) + world.Rank) % 7))
            sums.Put(place, Addend(world.Rank, place));
        sums.Wait();

        for (var place = 0; place < Lengths.Length; place++)
        {
            var (sum, expected) = (zeros(Lengths[place]), TreeSum.Of([.. Enumerable.Range(0, size).Select(rank => Addend(rank, place).mul_(1.0 / size))]));
            sums.CopyTo(sum, place);
            sum.eq(expected).all().ToBoolean().Should().BeTrue();
        }
    });

    [Fact]
    public void Count_by_tokens_and_not_at_all_without() => InProcessWorld.Run(3, world =>
    {
        using var scope = NewDisposeScope();
        using var queue = new WorkQueue();
        using var sums = new OverlappedSums(world, queue, tokens: world.Rank, [new(2, ScalarType.Float32, CPU), new(3, ScalarType.Float64, CPU)]);
        sums.Put(1, world.Rank == 1 ? null : full(3, world.Rank == 0 ? double.NaN : 3, ScalarType.Float64));
        sums.Put(0, full(2, world.Rank == 0 ? double.NaN : 6));
        sums.Wait();

        var (first, second) = (zeros(2), zeros(1, 3, ScalarType.Float64));
        sums.CopyTo(first, 0);
        sums.CopyTo(second, 1);

        first.data<float>().ToArray().Should().AllSatisfy(number => number.Should().BeApproximately(6, 1e-6f));
        second.data<double>().ToArray().Should().AllSatisfy(number => number.Should().BeApproximately(2, 1e-12));
    });

    [Fact]
    public void Message_goes_when_it_is_full_and_those_before_it_have_gone() => InProcessWorld.Run(2, world =>
    {
        // Of 1 MB, or a single tensor: [0, 1], [2, 3] without room for 4, [4], [5].
        var counted = new CountedWorld(world);
        using var scope = NewDisposeScope();
        using var queue = new WorkQueue();
        using var sums = Open(counted, queue, tokens: 1);
        const int header = sizeof(double);

        sums.Put(2, null);
        sums.Put(3, null);
        sums.Put(0, null);
        Bytes().Should().Be(header);
        sums.Put(1, null);
        Bytes().Should().Be(header + sizeof(float) * (200_006 + 340_000));
        sums.Put(5, null);
        sums.Put(4, null);
        sums.Wait();
        counted.BytesSent.Should().Be(header + sizeof(float) * (200_006 + 340_000 + 1_000_000 + 18));

        long Bytes()
        {
            // What has been given to the queue is done when it does this.
            using var done = new ManualResetEventSlim();
            queue.Enqueue(done.Set);
            done.Wait();
            return counted.BytesSent;
        }
    });

    [Fact]
    public void Rank_that_fails_fails_those_that_wait() => FluentActions.Invoking(() => InProcessWorld.Run(2, world =>
    {
        using var queue = new WorkQueue();
        using var sums = Open(world, queue, tokens: 1);
        if (world.Rank == 1)
            throw new InvalidDataException("Rank 1 has no data.");
        for (var place = 0; place < Lengths.Length; place++)
            sums.Put(place, null);
        sums.Wait();
    })).Should().Throw<InvalidDataException>();

    private static OverlappedSums Open(ICollective world, WorkQueue queue, double tokens) =>
        new(world, queue, tokens, [.. Lengths.Select(length => new OverlappedSums.Kind(length, ScalarType.Float32, CPU))]);

    private static Tensor Addend(int rank, int place) => Draw.Normal([Lengths[place]], (ulong)(10 * place + rank)).to(ScalarType.Float32);
}
