using FluentAssertions;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace TorchSharp.SystemLibtorch.Tests.Modules;

public sealed class MovingTests
{
    [Fact]
    public void Converting_makes_new_parameters_disposes_the_old_and_updates_the_fields()
    {
        using var model = new Scaled();
        var before = (scale: model.Scale, weight: model.Projection.weight);

        model.to(ScalarType.Float64).Should().BeSameAs(model);

        before.scale.IsInvalid.Should().BeTrue();
        before.weight.IsInvalid.Should().BeTrue();
        model.Scale.dtype.Should().Be(ScalarType.Float64);
        model.Scale.Should().BeSameAs(model.get_parameter("scale"));
        model.Projection.weight.Should().BeSameAs(model.get_parameter("projection.weight"));
        model.Offset.dtype.Should().Be(ScalarType.Float64);
        model.Offset.Should().BeSameAs(model.get_buffer("offset"));
        model.Positions.dtype.Should().Be(ScalarType.Int64);
        model.named_parameters().Select(named => named.name).Should().Equal("scale", "projection.weight", "projection.bias");
    }

    [Fact]
    public void Converting_to_what_it_is_keeps_the_parameters()
    {
        using var model = new Scaled();
        var (scale, weight) = (model.Scale, model.Projection.weight);

        model.to(ScalarType.Float32);
        model.to(CPU);

        model.Scale.Should().BeSameAs(scale);
        model.Projection.weight.Should().BeSameAs(weight);
    }

    [Fact]
    public void Values_gradients_and_frozen_parameters_survive_a_conversion()
    {
        using var layer = Linear(3, 2);
        layer.bias!.requires_grad_(false);
        using var input = ones(1, 3);
        layer.forward(input).sum().backward();
        var values = layer.weight.data<float>().ToArray();

        layer.to(ScalarType.Float64);

        layer.weight.data<double>().ToArray().Should().Equal(values.Select(value => (double)value));
        layer.weight.grad!.dtype.Should().Be(ScalarType.Float64);
        layer.weight.grad!.data<double>().ToArray().Should().OnlyContain(value => value == 1);
        layer.weight.is_leaf.Should().BeTrue();
        layer.bias!.requires_grad.Should().BeFalse();
    }

    [Fact]
    public void A_conversion_to_integers_is_refused()
    {
        using var layer = Linear(2, 2);

        layer.Invoking(l => l.to(ScalarType.Int64)).Should().Throw<ArgumentException>();
        layer.weight.dtype.Should().Be(ScalarType.Float32);
    }

    [Fact]
    public void Zero_grad_removes_gradients_or_zeroes_them()
    {
        using var layer = Linear(3, 2);
        using var input = ones(1, 3);
        layer.forward(input).sum().backward();

        layer.zero_grad(set_to_none: false);
        layer.weight.grad!.data<float>().ToArray().Should().OnlyContain(value => value == 0);

        layer.zero_grad();
        layer.weight.grad.Should().BeNull();
    }

    [Fact]
    public void Dispose_releases_parameters_and_buffers_of_the_whole_tree()
    {
        var model = new Scaled();
        var tensors = model.parameters().Concat(model.buffers()).ToList();

        model.Dispose();

        tensors.Should().HaveCount(5).And.OnlyContain(tensor => tensor.IsInvalid);
    }

    [Fact]
    public void A_parameter_consumes_its_tensor_and_takes_its_place_in_the_scope()
    {
        using var unscoped = ones(2);
        Parameter scoped, free;
        using (NewDisposeScope())
        {
            var data = ones(2);
            scoped = new Parameter(data);
            free = new Parameter(unscoped);

            data.IsInvalid.Should().BeTrue();
            scoped.requires_grad.Should().BeTrue();
        }

        scoped.IsInvalid.Should().BeTrue();
        free.IsInvalid.Should().BeFalse();
        free.Dispose();
    }

    [Fact]
    public void A_layer_outlives_the_scope_it_is_made_in()
    {
        Module<Tensor, Tensor>[] layers;
        using (NewDisposeScope())
        {
            layers = [Linear(2, 2), Embedding(3, 2), LayerNorm(2), Conv2d(1, 1, 2)];
        }

        layers.SelectMany(layer => layer.parameters()).Should().HaveCount(7).And.OnlyContain(parameter => !parameter.IsInvalid);
    }

    private sealed class Scaled : Module
    {
#pragma warning disable IDE0044, IDE1006 // Conversion writes the fields by reflection; their names are the keys.
        private Linear projection = Linear(3, 2);
        private Parameter scale = new(ones(2));
        private Tensor offset = zeros(2);
        private Tensor positions = arange(4);
#pragma warning restore IDE0044, IDE1006

        public Scaled()
            : base("scaled") => RegisterComponents();

        public Linear Projection => projection;

        public Parameter Scale => scale;

        public Tensor Offset => offset;

        public Tensor Positions => positions;
    }
}
