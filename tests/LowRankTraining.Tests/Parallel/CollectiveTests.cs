using FluentAssertions;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Parallel;

public class CollectiveTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Sum_is_that_of_all_ranks_on_every_rank(int size) => InProcessWorld.Run(size, world =>
    {
        using var scope = NewDisposeScope();
        var tensor = arange(0, 7, ScalarType.Float64) * (world.Rank + 1);
        world.AllReduce(tensor);
        tensor.data<double>().ToArray().Should().Equal(Enumerable.Range(0, 7).Select(number => (double)number * size * (size + 1) / 2));
    });

    [Fact]
    public void Sum_is_added_by_a_binary_tree() => InProcessWorld.Run(4, world =>
    {
        // In another order these give 0 or 1: 1e8 + 1 is 1e8 in float32.
        using var numbers = torch.tensor(new[] { new[] { 1e8f, -1e8f, 1, 1 }[world.Rank], new[] { 1e8f, 1, -1e8f, 1 }[world.Rank] });
        world.AllReduce(numbers);
        numbers.data<float>().ToArray().Should().Equal(2, 0);
    });

    [Theory]
    [InlineData(2, 5)]
    [InlineData(4, 4)]
    [InlineData(4, 1003)]
    [InlineData(8, 4099)]
    public void Sum_by_exchanges_in_pairs_is_that_of_the_tree(int size, int length) => InProcessWorld.Run(size, world =>
    {
        using var scope = NewDisposeScope();
        var parts = Enumerable.Range(0, size).Select(rank => Draw.Normal([length], (ulong)rank).to(ScalarType.Float32)).ToArray();
        var (sum, expected) = (parts[world.Rank].clone(), TreeSum.Of([.. parts.Select(part => part.clone())]));

        world.ExchangesInPairs.Should().BeTrue();
        world.AllReduce(sum);

        sum.data<float>().ToArray().Should().Equal(expected.data<float>().ToArray());
    });

    [Fact]
    public void Half_precision_is_rounded_once() => InProcessWorld.Run(4, world =>
    {
        // bfloat16 has 8 bits: 256 + 1 would be 256 again, and with it every sum from there on.
        using var numbers = torch.tensor(new[] { world.Rank == 0 ? 256f : 1f }, ScalarType.BFloat16);
        world.AllReduce(numbers);
        numbers.to(ScalarType.Float32).data<float>().ToArray().Should().Equal(260);
    });

    [Fact]
    public void Parts_go_to_their_ranks() => InProcessWorld.Run(3, world =>
    {
        using var scope = NewDisposeScope();
        var (sent, received) = (arange(0, 6) + 10 * world.Rank, zeros(6, ScalarType.Int64));
        world.AllToAll(sent, received);
        received.data<long>().ToArray().Should().Equal(Enumerable.Range(0, 3).SelectMany(rank => new long[] { 2 * world.Rank, 2 * world.Rank + 1 }
            .Select(number => number + 10 * rank)));

        var all = zeros(9, ScalarType.Int64);
        world.AllGather(arange(0, 3) * world.Rank, all);
        all.data<long>().ToArray().Should().Equal(0, 0, 0, 0, 1, 2, 0, 2, 4);

        var mine = torch.tensor(new long[] { world.Rank });
        world.Broadcast(mine, from: 2);
        mine.data<long>().ToArray().Should().Equal(2);
    });

    [Theory]
    [InlineData(2, 8)]
    [InlineData(4, 8)]
    [InlineData(4, 6)]
    public void Bytes_of_a_sum_are_those_of_its_formula(int size, int length) => InProcessWorld.Run(size, inner =>
    {
        using var scope = NewDisposeScope();
        var world = new CountedWorld(inner);
        ((ICollective)world).AllReduce(ones(length));
        world.BytesSent.Should().Be(2 * (size - 1) * 8 / size * sizeof(float));
    });

    [Fact]
    public void Rank_that_fails_ends_the_others()
    {
        var run = () => InProcessWorld.Run(3, world =>
        {
            if (world.Rank == 1)
                throw new InvalidDataException("Rank 1 has no data.");
            world.AllReduce(zeros(3));
        });
        run.Should().Throw<InvalidDataException>().WithMessage("Rank 1 has no data.");
    }
}
