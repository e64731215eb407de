using FluentAssertions;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace TorchSharp.SystemLibtorch.Tests.Modules;

public sealed class LayerTests
{
    [Fact]
    public void Linear_multiplies_by_the_transposed_weight_and_adds_the_bias()
    {
        using var layer = Linear(new Parameter(tensor(new float[] { 1, 2, 3, 4, 5, 6 }).reshape(2, 3)), new Parameter(tensor(new float[] { 10, 20 })));
        using var input = tensor(new float[] { 1, 0, -1 }).reshape(1, 3);

        using var output = layer.forward(input);

        (layer.in_features, layer.out_features).Should().Be((3, 2));
        output.data<float>().ToArray().Should().Equal(8, 18);
    }

    [Fact]
    public void Linear_starts_within_one_over_the_root_of_its_inputs()
    {
        using var layer = Linear(100, 50);

        foreach (var parameter in layer.parameters())
        {
            parameter.abs().max().item<float>().Should().BeInRange(0.05f, 0.1f);
        }
    }

    [Fact]
    public void Setting_a_weight_replaces_the_registered_parameter_and_disposes_the_old()
    {
        using var layer = Linear(2, 2);
        var old = layer.weight;
        layer.weight = new Parameter(zeros(2, 2));
        layer.bias = null;

        old.IsInvalid.Should().BeTrue();
        layer.named_parameters().Should().ContainSingle().Which.Should().Be(("weight", layer.weight));
    }

    [Fact]
    public void Embedding_looks_rows_up_and_its_padding_row_is_zero_and_learns_nothing()
    {
        using var table = Embedding(4, 3, padding_idx: 1);
        using var indices = tensor(new long[] { 2, 1 });

        using var rows = table.forward(indices);
        rows.sum().backward();

        rows[0].data<float>().ToArray().Should().Equal(table.weight![2].data<float>().ToArray());
        rows[1].data<float>().ToArray().Should().OnlyContain(value => value == 0);
        table.weight.grad!.sum(1).data<float>().ToArray().Should().Equal(0, 0, 3, 0);
    }

    [Fact]
    public void Layer_norm_standardizes_then_scales_and_shifts()
    {
        using var layer = LayerNorm(4, eps: 0);
        init.constant_(layer.weight, 2.0);
        init.constant_(layer.bias!, 1.0);
        using var input = tensor(new double[] { 1, 2, 3, 4 }).to(ScalarType.Float32);

        using var output = layer.forward(input);

        var expected = new[] { -1.5, -0.5, 0.5, 1.5 }.Select(centred => (2 * centred / Math.Sqrt(1.25)) + 1).ToArray();
        output.data<float>().ToArray().Select(value => (double)value).Should().Equal(expected, (left, right) => Math.Abs(left - right) < 1e-6);
    }

    [Theory]
    [InlineData(1, 0, 4)]
    [InlineData(1, 1, 6)]
    [InlineData(2, 1, 3)]
    public void A_convolution_sums_its_window(long stride, long padding, long size)
    {
        using var layer = Conv2d(2, 3, 3, stride: stride, padding: padding);
        init.constant_(layer.weight, 1.0);
        init.constant_(layer.bias!, 0.5);
        using var input = ones(1, 2, 6, 6);

        using var output = layer.forward(input);

        layer.weight.shape.Should().Equal(3, 2, 3, 3);
        output.shape.Should().Equal(1, 3, size, size);
        output.max().item<float>().Should().Be(18.5f);
    }

    [Fact]
    public void Same_padding_keeps_the_size_for_an_even_kernel()
    {
        using var layer = Conv2d(1, 1, (4, 3), Padding.Same, bias: false);
        using var input = randn(1, 1, 7, 5);

        using var output = layer.forward(input);

        output.shape.Should().Equal(1, 1, 7, 5);
        layer.bias.Should().BeNull();
    }

    [Fact]
    public void Flatten_keeps_the_batch()
    {
        using var layer = Flatten();
        using var input = zeros(2, 3, 4);
        using var output = layer.forward(input);

        output.shape.Should().Equal(2, 12);
    }

    [Fact]
    public void A_module_without_parameters_refuses_them()
    {
        using var layer = ReLU();

        layer.Invoking(l => l.register_parameter("p", new Parameter(zeros(1)))).Should().Throw<InvalidOperationException>();
    }
}
