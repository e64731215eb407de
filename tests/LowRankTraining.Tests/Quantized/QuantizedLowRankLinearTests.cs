using FluentAssertions;
using LowRankTraining.Layers;
using LowRankTraining.Tests.Adapters;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Quantized;

public class QuantizedLowRankLinearTests
{
    public static TheoryData<BaseFormat> Formats => [BaseFormat.NF4, BaseFormat.Blockwise8Bit];

    [Theory]
    [InlineData(BaseFormat.NF4, true)]
    [InlineData(BaseFormat.NF4, false)]
    [InlineData(BaseFormat.Blockwise8Bit, true)]
    [InlineData(BaseFormat.Blockwise8Bit, false)]
    public void Products_and_gradients_are_those_of_the_decoded_weight(BaseFormat format, bool hasBias)
    {
        using var scope = NewDisposeScope();
        var source = Training.Seeded(nn.Linear(37, 13, hasBias));
        using var layer = Trained(source, format);
        using var plain = nn.Linear(37, 13, hasBias);
        using (no_grad())
        {
            plain.weight.copy_(layer.EffectiveWeight());
            plain.bias?.copy_(source.bias!);
        }

        var (ours, theirs) = (Run(layer), Run(plain));

        Draw.Error(ours.Output, theirs.Output.to(ScalarType.Float64)).Should().BeLessThan(1e-5);
        Draw.Error(ours.Input, theirs.Input.to(ScalarType.Float64)).Should().BeLessThan(1e-5);
        var weight = plain.weight.grad!.to(ScalarType.Float64);
        Draw.Error(layer.lora_A.grad!, layer.lora_B.to(ScalarType.Float64).t().mm(weight).mul(layer.Scale)).Should().BeLessThan(1e-5);
        Draw.Error(layer.lora_B.grad!, weight.mm(layer.lora_A.to(ScalarType.Float64).t()).mul(layer.Scale)).Should().BeLessThan(1e-5);
        if (hasBias)
            Draw.Error(layer.bias!.grad!, plain.bias!.grad!.to(ScalarType.Float64)).Should().BeLessThan(1e-5);
    }

    [Fact]
    public void Layer_may_be_run_twice_in_one_graph_and_in_several_micro_batches()
    {
        using var scope = NewDisposeScope();
        using var layer = Trained(Training.Seeded(nn.Linear(8, 8)), BaseFormat.NF4);
        var weight = layer.EffectiveWeight();
        var (x, twin) = (Training.Normal(1, ScalarType.Float32, 4, 8).requires_grad_(), Training.Normal(1, ScalarType.Float32, 4, 8).requires_grad_());

        for (var batch = 0; batch < 2; batch++)
        {
            layer.call(layer.call(x).tanh()).square().sum().backward();
            nn.functional.linear(nn.functional.linear(twin, weight, layer.bias).tanh(), weight, layer.bias).square().sum().backward();
        }

        Draw.Error(x.grad!, twin.grad!.to(ScalarType.Float64)).Should().BeLessThan(1e-5);
    }

    [Fact]
    public void First_layer_of_a_model_trains_its_factors_although_its_input_has_no_gradient()
    {
        using var scope = NewDisposeScope();
        using var layer = Trained(Training.Seeded(nn.Linear(8, 6, hasBias: false)), BaseFormat.NF4);

        layer.call(Training.Normal(1, ScalarType.Float32, 4, 8)).square().sum().backward();

        layer.lora_A.grad!.norm().ToDouble().Should().BePositive();
        using (no_grad())
            layer.call(Training.Normal(1, ScalarType.Float32, 4, 8)).requires_grad.Should().BeFalse();
    }

    [Theory]
    [InlineData(BaseFormat.NF4, 64, 96, 64 * 96 / 2 + 4 * 96)]
    [InlineData(BaseFormat.NF4, 5, 13, 33 + 4 * 2)]
    [InlineData(BaseFormat.Blockwise8Bit, 64, 96, 64 * 96 + 4 * 24)]
    public void Weight_takes_the_bytes_of_the_formula(BaseFormat format, int rows, int columns, long bytes)
    {
        using var layer = new QuantizedLowRankLinear(nn.Linear(columns, rows, hasBias: false), rank: 2, format);

        layer.WeightBytes.Should().Be(bytes);
        layer.state_dict().Keys.Should().Equal("lora_A", "lora_B", "weight_codes", "weight_absmax");
    }

    [Theory]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Float16)]
    public void Half_precision_layer_computes_in_its_own_dtype(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        using var layer = new QuantizedLowRankLinear(nn.Linear(16, 8, dtype: dtype), rank: 2);

        layer.EffectiveWeight().dtype.Should().Be(ScalarType.Float32);
        if (dtype == ScalarType.BFloat16)
            layer.call(Training.Normal(1, dtype, 4, 16)).dtype.Should().Be(dtype);
    }

    /// <summary>The share of a change of 1 % of the weight's scale that is found in the merged weight: ⟨merged − before, change⟩ / ‖change‖².</summary>
    [Theory]
    [InlineData(BaseFormat.NF4, 0.05)]
    [InlineData(BaseFormat.Blockwise8Bit, 0.95)]
    public void Stochastic_merge_keeps_a_small_change_in_expectation_and_the_nearest_may_not(BaseFormat format, double nearestAtMost)
    {
        using var scope = NewDisposeScope();
        using var source = nn.Linear(512, 512, hasBias: false);
        using (no_grad())
            source.weight.copy_(Training.Normal(1, ScalarType.Float32, 512, 512).mul(0.02));

        var stochastic = Enumerable.Range(0, 8).Select(draw => ShareKept(source, format, 1000 + (ulong)draw)).Average();
        var nearest = ShareKept(source, format, null);

        stochastic.Should().BeApproximately(1, 0.05);
        nearest.Should().BeLessThan(nearestAtMost);
    }

    [Theory, MemberData(nameof(Formats))]
    public void Merge_of_nothing_changes_nothing(BaseFormat format)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(5, CPU);
        using var layer = new QuantizedLowRankLinear(Training.Seeded(nn.Linear(96, 64)), rank: 3, format);
        var before = layer.EffectiveWeight();

        layer.Merge(generator);

        // What a division leaves of a code point may move one number in a million.
        layer.EffectiveWeight().eq(before).to(ScalarType.Float64).mean().ToDouble().Should().BeGreaterThan(0.999);
    }

    [Theory, MemberData(nameof(Formats))]
    public void Nearest_merge_is_the_sum_quantized_anew(BaseFormat format)
    {
        using var scope = NewDisposeScope();
        using var layer = Trained(Training.Seeded(nn.Linear(301, 600, hasBias: false)), format);
        using var sum = nn.Linear(301, 600, hasBias: false);
        using (no_grad())
            sum.weight.copy_(layer.EffectiveWeight());
        using var fresh = new QuantizedLowRankLinear(sum, rank: 1, format);

        layer.Merge(rounding: null);

        layer.lora_B.abs().max().ToDouble().Should().Be(0);
        Draw.Error(layer.EffectiveWeight(), fresh.EffectiveWeight().to(ScalarType.Float64)).Should().BeLessThan(0.05);
        (layer.EffectiveWeight() - fresh.EffectiveWeight()).abs().gt(1e-5).to(ScalarType.Float64).mean().ToDouble().Should().BeLessThan(1e-3, "ties apart");
    }

    [Fact]
    public void Broken_factors_are_not_merged()
    {
        using var scope = NewDisposeScope();
        using var layer = Trained(Training.Seeded(nn.Linear(16, 16)), BaseFormat.NF4);
        using (no_grad())
            layer.lora_B.fill_(double.NaN);

        layer.Invoking(broken => broken.Merge(null)).Should().Throw<InvalidOperationException>().WithMessage("*NaN*");
    }

    [Theory]
    [InlineData(ScalarType.Float64, BaseFormat.NF4, "*float32, bfloat16 or float16*")]
    [InlineData(ScalarType.Float32, BaseFormat.Dense, "*not a quantized format*")]
    public void What_cannot_be_quantized_is_refused(ScalarType dtype, BaseFormat format, string message) =>
        FluentActions.Invoking(() => new QuantizedLowRankLinear(nn.Linear(8, 8, dtype: dtype), rank: 2, format)).Should().Throw<ArgumentException>()
            .WithMessage(message);

    private static double ShareKept(Linear source, BaseFormat format, ulong? seed)
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        using var layer = new QuantizedLowRankLinear(source, rank: 8, format);
        var before = layer.EffectiveWeight();
        layer.lora_B.copy_(Training.Normal(11, ScalarType.Float32, 512, 8));
        var change = layer.EffectiveWeight() - before;
        layer.lora_B.mul_(0.01 * source.weight.std().ToDouble() / change.std().ToDouble());
        change = layer.EffectiveWeight() - before;

        using var generator = seed is { } key ? new Generator(key, CPU) : null;
        layer.Merge(generator);

        return ((layer.EffectiveWeight() - before).mul(change).sum() / change.square().sum()).ToDouble();
    }

    private static QuantizedLowRankLinear Trained(Linear source, BaseFormat format)
    {
        using var guard = no_grad();
        var layer = new QuantizedLowRankLinear(source, rank: 3, format, scale: 0.7);
        layer.lora_B.copy_(Training.Normal(9, ScalarType.Float32, layer.out_features, 3).mul(0.1));
        return layer;
    }

    private static (Tensor Output, Tensor Input) Run(nn.Module<Tensor, Tensor> layer)
    {
        var x = Training.Normal(1, ScalarType.Float32, 2, 5, 37).requires_grad_();
        var y = layer.call(x);
        y.backward([Training.Normal(2, ScalarType.Float32, 2, 5, 13)]);
        return (y, x.grad!);
    }
}
