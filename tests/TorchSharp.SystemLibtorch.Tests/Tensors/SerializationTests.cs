using FluentAssertions;
using Xunit;
using static TorchSharp.torch;

namespace TorchSharp.SystemLibtorch.Tests.Tensors;

public sealed class SerializationTests
{
    [Theory]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Int64)]
    public void A_tensor_survives_the_stream(ScalarType type)
    {
        var before = (randn(3, 200) * 50).to(type);
        using var stream = new MemoryStream();
        before.t().Save(stream);
        stream.Position = 0;
        var after = Tensor.Load(stream);
        after.dtype.Should().Be(type);
        after.Equals(before.t()).Should().BeTrue();
    }

    [Fact]
    public void The_bytes_are_type_rank_sizes_and_little_endian_data()
    {
        using var stream = new MemoryStream();
        ones(1, 200, dtype: int8).Save(stream);
        stream.ToArray()[..6].Should().Equal(1, 2, 1, 0xC8, 1, 1);
        stream.Length.Should().Be(5 + 200);
    }

    [Fact]
    public void Loading_into_a_tensor_checks_type_and_shape_first()
    {
        using var stream = new MemoryStream();
        ones(2, 2).Save(stream);
        var target = zeros(2, 3);

        stream.Position = 0;
        using var reader = new BinaryReader(stream);
        target.Invoking(t => t.Load(reader)).Should().Throw<ArgumentException>().WithMessage("*[2, 2]*[2, 3]*");
        target.sum().ToSingle().Should().Be(0);

        stream.Position = 0;
        var view = zeros(2, 2).t();
        view.Load(reader);
        view.sum().ToSingle().Should().Be(4);
    }
}
