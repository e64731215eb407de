using FluentAssertions;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Assumptions;

/// <summary>What TorchSharp does with modules and their parameters, as far as layers of our own build on it.</summary>
public class ModuleAssumptions
{
    [Fact]
    public void Adding_by_number_takes_64_bits_and_picking_by_number_32_as_well()
    {
        using var scope = NewDisposeScope();
        var numbers = tensor([2, 0], ScalarType.Int32);
        var target = zeros(3);

        target.Invoking(values => values.index_add_(0, numbers, ones(2), 1)).Should().Throw<ArgumentException>().WithMessage("*Int64*");
        target.Invoking(values => values.index_copy_(0, numbers, ones(2))).Should().Throw<ArgumentException>().WithMessage("*Int64*");
        target.Invoking(values => values.index_fill_(0, numbers, 1)).Should().Throw<ArgumentException>().WithMessage("*Int64*");
        arange(3, ScalarType.Float32).index_select(0, numbers).data<float>().Should().Equal(2, 0);
    }

    [Fact]
    public void Parameter_without_entries_takes_a_gradient_of_any_shape()
    {
        using var scope = NewDisposeScope();
        var parameter = new Parameter(empty([0]), requires_grad: true);
        using (var gradient = ones(3, 4))
            parameter.grad = gradient;

        var norm = nn.utils.clip_grad_norm_([parameter], 1);

        norm.Should().BeApproximately(Math.Sqrt(12), 1e-5);
        parameter.grad!.shape.Should().Equal(3, 4);
        parameter.grad!.norm().ToDouble().Should().BeApproximately(1, 1e-4);
    }

    [Fact]
    public void Module_that_is_moved_asks_for_a_property_to_set()
    {
        using var module = new GetOnly();

        module.Invoking(moved => moved.to(ScalarType.Float64)).Should().Throw<ArgumentException>("a layer with such a property moves its parameters itself");
    }

    [Fact]
    public void Linear_layer_that_is_moved_takes_its_own_parameters_along_and_no_others()
    {
        using var layer = nn.Linear(3, 2);
        var (weight, extra) = (layer.weight, new Parameter(zeros(2)));
        layer.register_parameter("extra", extra);

        layer.to(ScalarType.Float64);

        layer.weight.dtype.Should().Be(ScalarType.Float64);
        layer.weight.Should().NotBeSameAs(weight);
        weight.IsInvalid.Should().BeTrue();
        layer.get_parameter("extra").Should().BeSameAs(extra);
        extra.dtype.Should().Be(ScalarType.Float32);
    }

    [Fact]
    public void Modules_of_native_code_are_moved_in_place()
    {
        using var layer = nn.Embedding(3, 2);
        var weight = layer.get_parameter("weight")!;

        layer.to(ScalarType.Float64);

        layer.get_parameter("weight").Should().BeSameAs(weight);
        weight.dtype.Should().Be(ScalarType.Float64);
    }

    [Fact]
    public void Sequence_never_asks_a_child_for_its_state_dict()
    {
        using var child = new Hiding();
        using var sequence = nn.Sequential(child);

        child.state_dict().Should().BeEmpty();
        sequence.state_dict().Keys.Should().Equal("0.part");
    }

    [Fact]
    public void Module_believes_to_be_on_the_CPU_until_it_is_moved()
    {
        using var module = new Scattered();

        module.Invoking(moved => moved.to(CPU)).Should().NotThrow("it does not even try, so a layer says where it was made");
        module.get_parameter("part")!.device_type.Should().Be(DeviceType.META);
    }

    private sealed class GetOnly : nn.Module
    {
        public GetOnly() : base(nameof(GetOnly)) => register_parameter(nameof(part), new Parameter(zeros(2)));

        public Parameter part => _internal_params[nameof(part)];
    }

    private sealed class Hiding : nn.Module<Tensor, Tensor>
    {
        public Hiding() : base(nameof(Hiding)) => register_parameter("part", new Parameter(zeros(2)));

        public override Tensor forward(Tensor input) => input.alias();

        public override Dictionary<string, Tensor> state_dict(Dictionary<string, Tensor>? destination = null, string? prefix = null) => destination ?? [];
    }

    private sealed class Scattered : nn.Module
    {
        public Scattered() : base(nameof(Scattered)) => register_parameter("part", new Parameter(empty([2], device: META)));
    }
}
