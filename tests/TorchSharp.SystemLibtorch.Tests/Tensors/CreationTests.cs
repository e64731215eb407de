using FluentAssertions;
using Xunit;
using static TorchSharp.torch;

namespace TorchSharp.SystemLibtorch.Tests.Tensors;

public sealed class CreationTests
{
    [Fact]
    public void The_type_of_the_elements_follows_the_array()
    {
        tensor(new float[] { 1 }).dtype.Should().Be(ScalarType.Float32);
        tensor(new double[] { 1 }).dtype.Should().Be(ScalarType.Float64);
        tensor(new long[] { 1 }).dtype.Should().Be(ScalarType.Int64);
        tensor(new[] { 1 }).dtype.Should().Be(ScalarType.Int32);
        tensor(new byte[] { 1 }).dtype.Should().Be(ScalarType.Byte);
        tensor(new[] { true }).dtype.Should().Be(ScalarType.Bool);
        tensor(new[] { (Half)1.5f }).ToSingle().Should().Be(1.5f);
        tensor(new[] { new BFloat16(1.5f) }).dtype.Should().Be(ScalarType.BFloat16);
        tensor(new List<float> { 1, 2, 3, 4 }, 2, 2).shape.Should().Equal(2, 2);
        tensor(new float[,] { { 1, 2, 3 }, { 4, 5, 6 } })[1, 0].ToSingle().Should().Be(4);
        tensor(new[] { 1, 2 }, dtype: float32).dtype.Should().Be(ScalarType.Float32);
        tensor(3.0).dtype.Should().Be(ScalarType.Float64);
        tensor(new[] { 1f }, requires_grad: true).requires_grad.Should().BeTrue();
    }

    [Fact]
    public void The_array_is_copied()
    {
        var numbers = new float[] { 1, 2 };
        var t = tensor(numbers);
        numbers[0] = 9;
        t[0].ToSingle().Should().Be(1);
    }

    [Fact]
    public void Fillers_take_shape_type_and_gradient()
    {
        zeros(2, 3).sum().ToSingle().Should().Be(0);
        ones(2, 3, 4).sum().ToSingle().Should().Be(24);
        full(new long[] { 2, 2 }, 2.5).sum().ToSingle().Should().Be(10);
        empty(4, 5, dtype: int32).shape.Should().Equal(4, 5);
        eye(3).trace().ToSingle().Should().Be(3);
        eye(2, 5).shape.Should().Equal(2, 5);
        zeros(2, requires_grad: true).requires_grad.Should().BeTrue();
        ones_like(zeros(2, dtype: bfloat16)).dtype.Should().Be(ScalarType.BFloat16);
        zeros(3).new_full(2, 7, dtype: int64).sum().ToInt64().Should().Be(14);
        zeros(2, device: META).is_meta.Should().BeTrue();
    }

    [Fact]
    public void Ranges_are_whole_for_whole_numbers()
    {
        arange(3).dtype.Should().Be(ScalarType.Int64);
        arange(0, 1, 0.25).dtype.Should().Be(ScalarType.Float32);
        arange(2, 8, 3).data<long>().ToArray().Should().Equal(2, 5);
        linspace(0, 1, 5).data<float>().ToArray().Should().Equal(0, 0.25f, 0.5f, 0.75f, 1);
        randperm(6).sort().Values.data<long>().ToArray().Should().Equal(0, 1, 2, 3, 4, 5);
        var drawn = randint(2, 5, new long[] { 100 });
        drawn.min().ToInt64().Should().BeGreaterThanOrEqualTo(2);
        drawn.max().ToInt64().Should().BeLessThan(5);
    }

    [Fact]
    public void A_shape_that_does_not_fit_is_refused_by_its_numbers()
    {
        var act = () => tensor(new float[] { 1, 2, 3 }, new long[] { 2, 2 });
        act.Should().Throw<System.Runtime.InteropServices.ExternalException>().WithMessage("*16 bytes*12*");
    }

    [Fact]
    public void Conversions_change_type_and_make_new_objects()
    {
        var x = ones(2);
        var same = x.to(float32);
        same.Should().NotBeSameAs(x);
        same.fill_(5);
        x[0].ToSingle().Should().Be(5, "an unchanged type shares memory");
        x.to(float32, copy: true).fill_(1);
        x[0].ToSingle().Should().Be(5);
        x.@double().dtype.Should().Be(ScalarType.Float64);
        x.to(CPU).device_type.Should().Be(DeviceType.CPU);
        var consumed = x.to(bfloat16, disposeAfter: true);
        x.IsInvalid.Should().BeTrue();
        consumed.dtype.Should().Be(ScalarType.BFloat16);
    }

    [Fact]
    public void Elements_are_read_and_written_in_place()
    {
        var t = arange(6, dtype: float32).reshape(2, 3).t();
        using var data = t.data<float>();
        data[2, 1].Should().Be(5);
        data[1, 0] = -1;
        data.ToArray().Should().Equal(0, 3, -1, 4, 2, 5);
        ((float[,])data.ToNDArray())[2, 1].Should().Be(5);
        t.Invoking(x => x.data<double>()).Should().Throw<ArgumentException>();
        tensor(4f).item<float>().Should().Be(4);
        ones(1, dtype: bfloat16).Invoking(x => x.item<float>()).Should().Throw<ArgumentException>();
        var bytes = zeros(2, dtype: int32);
        bytes.bytes = new byte[] { 1, 0, 0, 0, 0, 1, 0, 0 };
        bytes.data<int>().ToArray().Should().Equal(1, 256);
    }
}
