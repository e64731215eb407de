using FluentAssertions;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Assumptions;

/// <summary>Parameters that are not where, or not what, they seem to be.</summary>
public class PlacementTests
{
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
    public void Modules_of_native_code_are_moved_in_place()
    {
        using var layer = nn.Embedding(3, 2);
        var weight = layer.get_parameter("weight")!;

        layer.to(ScalarType.Float64);

        layer.get_parameter("weight").Should().BeSameAs(weight);
        weight.dtype.Should().Be(ScalarType.Float64);
    }

    [Fact]
    public void Module_believes_to_be_on_the_CPU_until_it_is_moved()
    {
        using var module = new Scattered();

        module.Invoking(moved => moved.to(CPU)).Should().NotThrow("it does not even try, so a layer says where it was made");
        module.get_parameter("part")!.device_type.Should().Be(DeviceType.META);
    }

    private sealed class Scattered : nn.Module
    {
        public Scattered() : base(nameof(Scattered)) => register_parameter("part", new Parameter(empty([2], device: META)));
    }
}
