using FluentAssertions;
using LowRankTraining.Layers;
using LowRankTraining.Tests.Adapters;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Quantized;

public class Int8LinearTests
{
    [Theory]
    [InlineData(true, 256)]
    [InlineData(false, 256)]
    [InlineData(true, 7)]
    public void Products_and_gradients_are_those_of_the_decoded_weight(bool hasBias, int group)
    {
        using var scope = NewDisposeScope();
        using var source = Training.Seeded(nn.Linear(20, 13, hasBias));
        using var layer = new Int8Linear(source, group);
        using var plain = nn.Linear(20, 13, hasBias);
        using (no_grad())
        {
            plain.weight.copy_(layer.EffectiveWeight());
            plain.bias?.copy_(source.bias!);
        }

        var (ours, theirs) = (Run(layer), Run(plain));

        ours.Output.allclose(theirs.Output, 1e-5, 1e-6).Should().BeTrue();
        ours.Input.allclose(theirs.Input, 1e-5, 1e-6).Should().BeTrue();
        layer.weight.grad!.allclose(plain.weight.grad!, 1e-5, 1e-6).Should().BeTrue();
        if (hasBias)
            layer.bias!.grad!.allclose(plain.bias!.grad!, 1e-5, 1e-6).Should().BeTrue();
    }

    [Fact]
    public void Every_use_and_every_micro_batch_adds_to_the_gradient()
    {
        using var scope = NewDisposeScope();
        using var layer = new Int8Linear(Training.Seeded(nn.Linear(6, 6)));
        using var weight = layer.EffectiveWeight().requires_grad_();
        var x = Training.Normal(1, ScalarType.Float32, 4, 6);

        for (var batch = 0; batch < 2; batch++)
        {
            layer.call(layer.call(x).tanh()).square().sum().backward();
            nn.functional.linear(nn.functional.linear(x, weight, layer.bias).tanh(), weight, layer.bias).square().sum().backward();
        }

        layer.weight.grad!.allclose(weight.grad!, 1e-5, 1e-4).Should().BeTrue();
    }

    [Fact]
    public void First_layer_of_a_model_learns_although_its_input_has_no_gradient()
    {
        using var scope = NewDisposeScope();
        using var layer = new Int8Linear(Training.Seeded(nn.Linear(6, 5, hasBias: false)));
        var x = Training.Normal(1, ScalarType.Float32, 4, 6);

        layer.call(x).sum().backward();

        layer.weight.grad!.allclose(x.sum(0L).expand(5, 6), 1e-5, 1e-6).Should().BeTrue();
        x.grad.Should().BeNull();
    }

    [Fact]
    public void Without_gradients_nothing_is_recorded()
    {
        using var scope = NewDisposeScope();
        using var layer = new Int8Linear(Training.Seeded(nn.Linear(6, 5)));
        var x = Training.Normal(1, ScalarType.Float32, 4, 6);

        using (no_grad())
            layer.call(x).requires_grad.Should().BeFalse();
        layer.weight.requires_grad = false;
        layer.bias!.requires_grad = false;
        layer.call(x).requires_grad.Should().BeFalse();
    }

    [Fact]
    public void Gradient_of_the_input_alone_is_none_of_the_weight()
    {
        using var scope = NewDisposeScope();
        using var layer = new Int8Linear(Training.Seeded(nn.Linear(6, 5)));
        var x = Training.Normal(1, ScalarType.Float32, 4, 6);
        x.requires_grad = true;

        var gradient = autograd.grad([layer.call(x).sum()], [x])[0];

        gradient.allclose(layer.EffectiveWeight().sum(0L).expand(4, 6), 1e-5, 1e-6).Should().BeTrue();
        layer.weight.grad.Should().BeNull();
    }

    [Fact]
    public void Weight_takes_a_byte_a_number_and_five_a_group()
    {
        using var layer = new Int8Linear(nn.Linear(100, 30, hasBias: false));

        layer.WeightBytes.Should().Be(3000 + 12 * 5);
        layer.weight.shape.Should().Equal(0);
        layer.EffectiveWeight().shape.Should().Equal(30, 100);
        layer.state_dict().Keys.Should().Equal("weight", "weight_codes", "weight_scales", "weight_zeros");
        layer.state_dict().Values.Sum(tensor => tensor.NumberOfElements * tensor.ElementSize).Should().Be(layer.WeightBytes);
    }

    [Fact]
    public void Clipping_and_zeroing_by_the_model_reach_the_gradient()
    {
        using var scope = NewDisposeScope();
        using var model = Training.Seeded(new OpenNetwork());
        using var session = new LowRankTraining.Strategies.QGaLore { Rank = 4 }.Attach(model);
        var layer = (Int8Linear)model.named_children().First().module;
        model.call(Training.Inputs(model)).square().sum().backward();
        var before = layer.weight.grad!.norm().ToDouble();

        var total = nn.utils.clip_grad_norm_(model.parameters(), 1e-3);

        total.Should().BeGreaterThan(before);
        layer.weight.grad!.norm().ToDouble().Should().BeApproximately(before * 1e-3 / total, 1e-6);
        model.zero_grad();
        layer.weight.grad.Should().BeNull();
    }

    [Fact]
    public void Rounding_is_unbiased()
    {
        using var scope = NewDisposeScope();
        using var layer = new Int8Linear(nn.Linear(64, 4, hasBias: false));
        IWeightStore store = layer;
        var value = Training.Normal(5, ScalarType.Float32, 4, 64);
        var sum = zeros(4, 64, ScalarType.Float64);

        const int Draws = 4000;
        for (var draw = 1; draw <= Draws; draw++)
        {
            using var one = NewDisposeScope();
            store.Close(value.clone(), new() { Step = draw, Seed = 3, Parameter = "weight" });
            sum.add_(layer.EffectiveWeight());
        }

        // Five standard deviations of the mean of a rounding, for the worst of 256 entries.
        var width = (value.max() - value.min()).ToDouble() / 254;
        (sum / Draws - value).abs().max().ToDouble().Should().BeLessThan(5 * width / 2 / Math.Sqrt(Draws) + 1e-6);
    }

    private static (Tensor Output, Tensor Input) Run(nn.Module<Tensor, Tensor> layer)
    {
        var x = Training.Normal(1, ScalarType.Float32, 2, 5, 20).requires_grad_();
        var y = layer.call(x);
        y.backward([Training.Normal(2, ScalarType.Float32, 2, 5, 13)]);
        return (y, x.grad!);
    }
}
