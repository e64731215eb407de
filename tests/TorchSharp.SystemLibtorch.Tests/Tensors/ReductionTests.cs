using FluentAssertions;
using Xunit;
using static TorchSharp.torch;

namespace TorchSharp.SystemLibtorch.Tests.Tensors;

public sealed class ReductionTests
{
    private static readonly float[,] Numbers = { { 3, 1, 2 }, { -1, 5, 0 } };

    private static float[] Values(Tensor t) => t.@float().contiguous().data<float>().ToArray();

    [Fact]
    public void Sums_and_moments_reduce_over_all_or_some_dimensions()
    {
        var t = tensor(Numbers);
        t.sum().ToSingle().Should().Be(10);
        Values(t.sum(0L)).Should().Equal(2, 6, 2);
        Values(t.sum(1, keepdim: true)).Should().Equal(6, 4);
        t.sum(0, 1).ToSingle().Should().Be(10);
        t.sum(ScalarType.Float64).dtype.Should().Be(ScalarType.Float64);
        t.mean().ToSingle().Should().BeApproximately(10f / 6, 1e-6f);
        Values(t.mean([1])).Should().Equal(2, 4f / 3);
        t.var(unbiased: false).ToSingle().Should().BeApproximately(40f / 6 - 100f / 36, 1e-5f);
        t.std(0, unbiased: true).shape.Should().Equal(3);
        t.prod(1).shape.Should().Equal(2);
        Values(t.cumsum(1)).Should().Equal(3, 4, 6, -1, 4, 4);
    }

    [Fact]
    public void Norms_take_their_order()
    {
        var t = tensor(Numbers);
        t.norm().ToSingle().Should().BeApproximately(MathF.Sqrt(40), 1e-6f);
        t.norm(1f).ToSingle().Should().Be(12);
        Values(t.norm(1, false, 1)).Should().Equal(6, 6);
        linalg.matrix_norm(t).ToSingle().Should().BeApproximately(MathF.Sqrt(40), 1e-6f);
        linalg.vector_norm(t, double.PositiveInfinity).ToSingle().Should().Be(5);
    }

    [Fact]
    public void Extremes_come_with_their_places()
    {
        var t = tensor(Numbers);
        t.max().ToSingle().Should().Be(5);
        var (values, indexes) = t.max(1);
        Values(values).Should().Equal(3, 5);
        Values(indexes).Should().Equal(0, 1);
        t.argmax().ToInt64().Should().Be(4);
        Values(t.argmin(1)).Should().Equal(1, 0);
        Values(t.amax([0])).Should().Equal(3, 5, 2);
        Values(t.topk(2).values).Should().Equal(3, 2, 5, 0);
        Values(t.sort(1, descending: true, stable: true).Values).Should().Equal(3, 2, 1, 5, 0, -1);
        Values(t.flatten().kthvalue(2, 0).values).Should().Equal(0);
        t.quantile(tensor(0.5f), -1).shape.Should().Equal(2);
        Values(maximum(t, zeros(2, 3))).Should().Equal(3, 1, 2, 0, 5, 0);
    }

    [Fact]
    public void Searching_counts_and_softmax()
    {
        var edges = tensor(new float[] { 1, 3, 5 });
        Values(tensor(new float[] { 0, 3, 9 }).bucketize(edges)).Should().Equal(0, 1, 3);
        Values(searchsorted(edges, tensor(new float[] { 3 }), right: true)).Should().Equal(2);
        tensor(new float[] { 0, 2, 0 }).count_nonzero().ToInt64().Should().Be(1);
        var (output, inverse, counts) = tensor(new long[] { 5, 3, 5 }).unique(return_inverse: true, return_counts: true);
        Values(output).Should().Equal(3, 5);
        Values(inverse).Should().Equal(1, 0, 1);
        Values(counts).Should().Equal(1, 2);
        tensor(Numbers).softmax(1).sum(1).allclose(ones(2)).Should().BeTrue();
        tensor(Numbers).log_softmax(-1).exp().allclose(softmax(tensor(Numbers), 1)).Should().BeTrue();
    }
}
