using FluentAssertions;
using Xunit;
using static TorchSharp.torch;

namespace TorchSharp.SystemLibtorch.Tests.Tensors;

public sealed class ShapeTests
{
    private static long[] Values(Tensor t) => t.@long().contiguous().data<long>().ToArray();

    // 0 1 2 3 / 4 5 6 7 / 8 9 10 11
    private static Tensor Table() => arange(12).reshape(3, 4);

    [Fact]
    public void Sizes_and_strides_describe_the_layout()
    {
        var t = Table().t();
        t.shape.Should().Equal(4, 3);
        t.stride().Should().Equal(1, 4);
        t.size(-1).Should().Be(3);
        (t.ndim, t.numel(), t.ElementSize).Should().Be((2, 12, 8));
        t.is_contiguous().Should().BeFalse();
        t.contiguous().stride().Should().Equal(3, 1);
    }

    [Fact]
    public void Numbers_and_ranges_select_views()
    {
        var t = Table();
        t[1, 2].ToInt64().Should().Be(6);
        t[-1, -1].ToInt64().Should().Be(11);
        Values(t[1]).Should().Equal(4, 5, 6, 7);
        Values(t[.., 1]).Should().Equal(1, 5, 9);
        Values(t[1.., ..2]).Should().Equal(4, 5, 8, 9);
        Values(t[^1, 1..^1]).Should().Equal(9, 10);
        Values(t[TensorIndex.Ellipsis, TensorIndex.Slice(0, null, 2)]).Should().Equal(0, 2, 4, 6, 8, 10);
        t[TensorIndex.None, 0].shape.Should().Equal(1, 4);
        t[1].mul_(0);
        Values(t[1]).Should().OnlyContain(v => v == 0, "a row is a view");
    }

    [Fact]
    public void Tensors_and_masks_gather()
    {
        var t = Table();
        Values(t[tensor(new long[] { 2, 0 })]).Should().Equal(8, 9, 10, 11, 0, 1, 2, 3);
        Values(t[TensorIndex.Colon, TensorIndex.Tensor(tensor(new long[] { 3 }))]).Should().Equal(3, 7, 11);
        Values(t[t > 8]).Should().Equal(9, 10, 11);
        Values(t.masked_select(t.eq(5))).Should().Equal(5);
        Values(t.gather(1, tensor(new long[,] { { 0 }, { 1 }, { 2 } }))).Should().Equal(0, 5, 10);
        Values(t.index_select(0, tensor(new long[] { 1 }))).Should().Equal(4, 5, 6, 7);
    }

    [Fact]
    public void Assignment_through_an_index_changes_the_tensor()
    {
        var t = Table();
        t[0] = zeros(4, int64);
        t[1, 1] = 50L;
        t[.., 3] = tensor(-1L);
        t[t > 9] = tensor(9L);
        Values(t).Should().Equal(0, 0, 0, -1, 4, 9, 6, -1, 8, 9, 9, -1);
        t.index_put_(7, TensorIndex.Single(2), TensorIndex.Slice(0, 2)).Should().BeSameAs(t);
        Values(t[2]).Should().Equal(7, 7, 9, -1);
    }

    [Fact]
    public void Scatter_and_index_updates_write_where_told()
    {
        var index = tensor(new long[] { 2, 0 });
        Values(zeros(3, int64).scatter_(0, index, tensor(new long[] { 5, 6 }))).Should().Equal(6, 0, 5);
        Values(ones(3, int64).scatter_add_(0, index, tensor(new long[] { 5, 6 }))).Should().Equal(7, 1, 6);
        Values(zeros(3, int64).index_add_(0, index, tensor(new long[] { 5, 6 }), 2)).Should().Equal(12, 0, 10);
        Values(zeros(3, int64).index_copy_(0, index, tensor(new long[] { 5, 6 }))).Should().Equal(6, 0, 5);
    }

    [Fact]
    public void Joining_and_splitting_are_inverse()
    {
        var t = Table();
        Values(cat(t.split(2, 1), 1)).Should().Equal(Values(t));
        Values(cat(t.chunk(3))).Should().Equal(Values(t));
        t.split([1, 3], 1)[1].shape.Should().Equal(3, 3);
        t.unbind(1).Should().HaveCount(4);
        stack([t, t], 1).shape.Should().Equal(3, 2, 4);
        Values(t.flip(0)[0]).Should().Equal(8, 9, 10, 11);
        Values(t.roll(1, 1)[0]).Should().Equal(3, 0, 1, 2);
    }

    [Fact]
    public void Shapes_change_without_copying()
    {
        var t = Table();
        t.view(2, 6).transpose(0, 1).shape.Should().Equal(6, 2);
        t.unsqueeze(1).expand(3, 2, 4).shape.Should().Equal(3, 2, 4);
        t.reshape(1, 12).squeeze(0).shape.Should().Equal(12);
        t.reshape(1, 12, 1).squeeze().shape.Should().Equal(12);
        t.permute(1, 0).shape.Should().Equal(4, 3);
        t.flatten().shape.Should().Equal(12);
        t.narrow(1, 1, 2).shape.Should().Equal(3, 2);
        t.repeat(2, 1).shape.Should().Equal(6, 4);
        Values(tensor(new long[] { 1, 2 }).repeat_interleave(2)).Should().Equal(1, 1, 2, 2);
        Values(t.tril()[0]).Should().Equal(0, 0, 0, 0);
        Values(t.diagonal()).Should().Equal(0, 5, 10);
    }
}
