using System.Reflection;
using FluentAssertions;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Assumptions;

/// <summary>What <c>Module.to</c> does to parameters, fields and properties.</summary>
public class MovingTests
{
    [Fact]
    public void Conversion_makes_new_parameters_disposes_the_old_and_updates_fields()
    {
        using var model = new Scaled();
        var (scale, weight) = (model.Scale, model.Projection.weight);

        model.to(ScalarType.Float64);

        scale.IsInvalid.Should().BeTrue();
        weight.IsInvalid.Should().BeTrue();
        model.Scale.Should().BeSameAs(model.get_parameter("scale"));
        model.Projection.weight.Should().BeSameAs(model.get_parameter("projection.weight"));
        model.Scale.dtype.Should().Be(ScalarType.Float64);
    }

    [Fact]
    public void ModuleDict_is_moved_nowhere_for_its_two_indexers()
    {
        using var model = nn.ModuleDict<nn.Module<Tensor, Tensor>>(("layer", nn.Linear(3, 2)));

        model.Invoking(dictionary => dictionary.to(ScalarType.Float64)).Should().Throw<ArgumentException>("properties are looked up by name")
            .WithMessage("*Item*");
    }

    [Fact]
    public void Conversion_to_what_it_is_keeps_the_parameters()
    {
        using var model = new Scaled();
        var (scale, weight) = (model.Scale, model.Projection.weight);

        model.to(ScalarType.Float32);
        model.to(CPU);

        model.Scale.Should().BeSameAs(scale);
        model.Projection.weight.Should().BeSameAs(weight);
    }

    [Fact]
    public void Conversion_sets_the_property_of_a_parameter_s_name_and_fails_where_it_cannot_be_set()
    {
        using var settable = new Settable();
        using var readOnly = new ReadOnly();

        settable.to(ScalarType.Float64);

        settable.Sets.Should().Be(1);
        readOnly.Invoking(model => model.to(ScalarType.Float64)).Should().Throw<ArgumentException>().WithMessage("*set method*");
    }

    [Fact]
    public void Linear_takes_its_weight_and_bias_along_and_nothing_else()
    {
        using var layer = nn.Linear(3, 2);
        layer.register_parameter("added", new Parameter(ones(1)));

        layer.to(ScalarType.Float64);

        layer.state_dict().ToDictionary(entry => entry.Key, entry => entry.Value.dtype).Should().BeEquivalentTo(
            new Dictionary<string, ScalarType> { ["weight"] = ScalarType.Float64, ["bias"] = ScalarType.Float64, ["added"] = ScalarType.Float32 });
    }

    [Fact]
    public void Values_gradients_and_frozen_parameters_survive_a_conversion()
    {
        using var scope = NewDisposeScope();
        using var layer = nn.Linear(3, 2);
        layer.bias!.requires_grad_(false);
        layer.forward(ones(1, 3)).sum().backward();
        var values = layer.weight.data<float>().ToArray();

        layer.to(ScalarType.Float64);

        layer.weight.data<double>().ToArray().Should().Equal(values.Select(value => (double)value));
        layer.weight.grad!.data<double>().ToArray().Should().OnlyContain(value => value == 1);
        layer.weight.is_leaf.Should().BeTrue();
        layer.bias!.requires_grad.Should().BeFalse();
    }

    [Fact]
    public void Optimizer_made_before_a_conversion_does_not_know_the_parameters_after_it()
    {
        using var scope = NewDisposeScope();
        using var layer = nn.Linear(3, 2);
        using var optimizer = optim.AdamW(layer.parameters());
        layer.to(ScalarType.Float64);
        layer.forward(ones(1, 3, dtype: ScalarType.Float64)).sum().backward();

        optimizer.Invoking(it => it.step()).Should().Throw<KeyNotFoundException>();
    }

    private sealed class Scaled : nn.Module
    {
#pragma warning disable IDE0044, IDE1006 // Conversion writes the fields by reflection; their names are the keys.
        private Linear projection = nn.Linear(3, 2);
        private Parameter scale = new(ones(2));
#pragma warning restore IDE0044, IDE1006

        public Scaled() : base(nameof(Scaled)) => RegisterComponents();

        public Linear Projection => projection;

        public Parameter Scale => scale;
    }

    private sealed class Settable : nn.Module
    {
        private Parameter _weight = new(ones(2));

        public Settable() : base(nameof(Settable)) => register_parameter("weight", _weight);

        public int Sets { get; private set; }

#pragma warning disable IDE1006 // The name is the key.
        public Parameter weight
        {
            get => _weight;
            set
            {
                _weight = value;
                Sets++;
            }
        }
    }

    private sealed class ReadOnly : nn.Module
    {
        public ReadOnly() : base(nameof(ReadOnly)) => register_parameter("weight", weight);

        public Parameter weight { get; } = new(ones(2));
#pragma warning restore IDE1006
    }
}
