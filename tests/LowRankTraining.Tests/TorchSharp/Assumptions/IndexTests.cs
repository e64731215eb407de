using FluentAssertions;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Assumptions;

/// <summary>Which types of indices TorchSharp takes.</summary>
public class IndexTests
{
    private static readonly Dictionary<string, Action<Tensor, Tensor>> Writing = new()
    {
        ["index_add_"] = (target, indices) => target.index_add_(0, indices, ones(2), 1),
        ["index_add"] = (target, indices) => target.index_add(0, indices, ones(2), 1),
        ["index_copy_"] = (target, indices) => target.index_copy_(0, indices, ones(2)),
        ["index_fill_"] = (target, indices) => target.index_fill_(0, indices, 1),
    };

    public static TheoryData<string> Operations => [.. Writing.Keys];

    [Theory, MemberData(nameof(Operations))]
    public void Writing_by_index_demands_indices_of_64_bits(string operation)
    {
        using var scope = NewDisposeScope();

        FluentActions.Invoking(() => Writing[operation](zeros(4), Indices(ScalarType.Int32))).Should().Throw<ArgumentException>().WithMessage("*Int64*");
        FluentActions.Invoking(() => Writing[operation](zeros(4), Indices(ScalarType.Int64))).Should().NotThrow();
    }

    [Theory]
    [InlineData(ScalarType.Int32)]
    [InlineData(ScalarType.Int64)]
    public void Reading_by_index_takes_both_widths(ScalarType width)
    {
        using var scope = NewDisposeScope();

        arange(4, dtype: ScalarType.Float32).index_select(0, Indices(width)).data<float>().ToArray().Should().Equal(3, 1);
    }

    [Fact]
    public void Adding_at_an_index_twice_adds_twice()
    {
        using var scope = NewDisposeScope();

        zeros(2).index_add_(0, tensor(new long[] { 1, 1 }), ones(2), 3).data<float>().ToArray().Should().Equal(0, 6);
    }

    private static Tensor Indices(ScalarType width) => tensor(new[] { 3, 1 }).to(width);
}
