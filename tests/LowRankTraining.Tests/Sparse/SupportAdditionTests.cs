using FluentAssertions;
using LowRankTraining.Sparse;
using TorchSharp;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Sparse;

public class SupportAdditionTests
{
    [Theory]
    [InlineData(ScalarType.Float32, 7)]
    [InlineData(ScalarType.Float32, 600_000)]
    [InlineData(ScalarType.BFloat16, 600_000)]
    public void Short_numbers_add_what_long_ones_do_over_any_number_of_blocks(ScalarType dtype, long count)
    {
        using var scope = NewDisposeScope();
        var support = new Support(1000, 1100, count, Key: 5);
        var (numbers, values) = (support.Indices(CPU), Normal(1, dtype, count));
        var (shortened, plain) = (Normal(2, dtype, 1000, 1100), Normal(2, dtype, 1000, 1100));

        SparseLowRank.AddOnSupport(shortened, numbers, values);
        plain.view(-1).index_add_(0, numbers.to(ScalarType.Int64), values, 1);

        numbers.dtype.Should().Be(ScalarType.Int32);
        shortened.equal(plain).Should().BeTrue();
        shortened.equal(Normal(2, dtype, 1000, 1100)).Should().BeFalse();
    }

    [Fact]
    public void Only_the_entries_of_the_support_change()
    {
        using var scope = NewDisposeScope();
        var sum = zeros(3, 4);

        SparseLowRank.AddOnSupport(sum, tensor([1, 4, 11], ScalarType.Int32), tensor([0.5f, -2, 8]));

        Values(sum).Should().Equal(0, 0.5, 0, 0, -2, 0, 0, 0, 0, 0, 0, 8);
    }
}
