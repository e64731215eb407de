using FluentAssertions;
using LowRankTraining.Layers;
using TorchSharp;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Adapters;

public class LowRankLinearTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Layer_starts_as_the_one_that_it_was_made_from(bool hasBias)
    {
        using var scope = NewDisposeScope();
        var source = nn.Linear(14, 10, hasBias);
        var input = Normal(1, ScalarType.Float32, 3, 5, 14);
        var expected = Values(source.call(input));

        var layer = new LowRankLinear(source, rank: 4);

        Distance(Values(layer.call(input)), expected).Should().BeLessThan(1e-6);
        layer.call(input).shape.Should().Equal(3, 5, 10);
    }

    /// <param name="rows">Few are multiplied by factors and weight apart, many by their sum.</param>
    [Theory]
    [InlineData(6)]
    [InlineData(40)]
    public void Output_and_gradients_are_those_of_the_written_out_product(long rows)
    {
        using var scope = NewDisposeScope();
        var layer = Trained(scale: 0.7);
        var input = Normal(2, ScalarType.Float64, rows, 14).requires_grad_(true);
        var a = layer.lora_A.detach().clone().requires_grad_(true);
        var b = layer.lora_B.detach().clone().requires_grad_(true);
        var plainInput = input.detach().clone().requires_grad_(true);

        layer.call(input).square().sum().backward();
        var expected = plainInput.mm((layer.weight + b.mm(a).mul(0.7)).t()) + layer.bias!;
        expected.square().sum().backward();

        Distance(Values(layer.call(input)), Values(expected)).Should().BeLessThan(1e-12);
        Distance(Values(layer.lora_A.grad!), Values(a.grad!)).Should().BeLessThan(1e-12);
        Distance(Values(layer.lora_B.grad!), Values(b.grad!)).Should().BeLessThan(1e-12);
        Distance(Values(input.grad!), Values(plainInput.grad!)).Should().BeLessThan(1e-12);
        Distance(Values(layer.bias!.grad!), Values(expected.detach().mul(2 * 2).sum(0L))).Should().BeLessThan(1e-12, "both passes went through the bias");
        layer.weight.grad.Should().BeNull("the weight is frozen");
    }

    [Fact]
    public void Sum_for_many_rows_computes_in_float32_what_factors_beside_the_weight_do()
    {
        using var scope = NewDisposeScope();
        var layer = new LowRankLinear(nn.Linear(96, 64, hasBias: false), rank: 8, scale: 2);
        using (no_grad())
            layer.lora_B.copy_(Normal(3, ScalarType.Float32, 64, 8).mul(0.1));
        var input = Normal(4, ScalarType.Float32, 400, 96);

        var many = layer.call(input);
        many.square().mean().backward();
        var (a, b) = (Values(layer.lora_A.grad!), Values(layer.lora_B.grad!));
        layer.zero_grad();
        var few = cat([.. input.split(40).Select(part => layer.call(part))], 0);
        few.square().mean().backward();

        Distance(Values(many), Values(few)).Should().BeLessThan(1e-5);
        Distance(a, Values(layer.lora_A.grad!)).Should().BeLessThan(1e-5);
        Distance(b, Values(layer.lora_B.grad!)).Should().BeLessThan(1e-5);
    }

    [Fact]
    public void First_gradient_reaches_B_and_not_A()
    {
        using var scope = NewDisposeScope();
        var layer = new LowRankLinear(nn.Linear(14, 10), rank: 4);

        layer.call(Normal(2, ScalarType.Float32, 6, 14)).square().sum().backward();

        layer.lora_B.grad!.norm().ToDouble().Should().BeGreaterThan(0);
        layer.lora_A.grad!.norm().ToDouble().Should().Be(0);
    }

    [Fact]
    public void A_is_uniform_within_one_over_root_n()
    {
        using var scope = NewDisposeScope();
        var layer = new LowRankLinear(nn.Linear(400, 300), rank: 200, key: 3);

        layer.lora_A.abs().max().ToDouble().Should().BeInRange(0.0499, 0.05);
        (Values(layer.lora_A).Select(value => value * value).Average() * 3 * 400).Should().BeApproximately(1, 0.02);
        layer.lora_B.abs().max().ToDouble().Should().Be(0);
    }

    [Fact]
    public void Merge_keeps_the_function()
    {
        using var scope = NewDisposeScope();
        var layer = Trained(scale: 2, dtype: ScalarType.Float32);
        var input = Normal(2, ScalarType.Float32, 6, 14);
        var before = Values(layer.call(input));
        var effective = Values(layer.EffectiveWeight());

        layer.Merge();

        Distance(Values(layer.call(input)), before).Should().BeLessThan(1e-6);
        Values(layer.weight).Should().Equal(effective);
        Values(layer.lora_B).Should().OnlyContain(value => value == 0);
    }

    [Fact]
    public void Stochastic_merge_into_bfloat16_keeps_small_changes_on_average()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(4, CPU);

        var nearest = Merged(null);
        var stochastic = Merged(generator);

        // 1 + 2⁻¹⁰ is an eighth of the way from 1 to its upper neighbor 1 + 2⁻⁷.
        nearest.Should().OnlyContain(value => value == 1);
        stochastic.Should().OnlyContain(value => value == 1 || value == 1 + 1 / 128.0);
        (stochastic.Average() - 1).Should().BeApproximately(1 / 1024.0, 1e-4);

        static double[] Merged(Generator? rounding)
        {
            using var guard = no_grad();
            var layer = new LowRankLinear(nn.Linear(128, 128, hasBias: false, dtype: ScalarType.BFloat16), rank: 1);
            layer.weight.fill_(1);
            layer.lora_A.fill_(1);
            layer.lora_B.fill_(1 / 1024.0);
            layer.Merge(rounding);
            return Values(layer.weight);
        }
    }

    [Fact]
    public void Broken_factors_are_not_merged()
    {
        using var scope = NewDisposeScope();
        var layer = Trained(scale: 1);
        using (no_grad())
            layer.lora_B[0, 0] = double.NaN;
        var before = Values(layer.weight);

        layer.Invoking(broken => broken.Merge()).Should().Throw<InvalidOperationException>().WithMessage("*NaN*lower the learning rate*");

        Values(layer.weight).Should().Equal(before);
    }

    [Fact]
    public void Dropout_acts_on_the_factors_while_training_only()
    {
        using var scope = NewDisposeScope();
        var layer = Trained(scale: 1, dropout: 0.5);
        var input = Normal(2, ScalarType.Float64, 6, 14);
        var weight = layer.EffectiveWeight();

        layer.eval();
        Distance(Values(layer.call(input)), Values(input.mm(weight.t()) + layer.bias!)).Should().BeLessThan(1e-12);

        layer.train();
        Values(layer.call(input)).Should().NotEqual(Values(layer.call(input)));
    }

    [Fact]
    public void State_dict_has_the_names_of_the_field() =>
        new LowRankLinear(nn.Linear(14, 10), rank: 4).state_dict().Keys.Should().Equal("weight", "bias", "lora_A", "lora_B");

    [Theory]
    [InlineData(0)]
    [InlineData(11)]
    public void Rank_out_of_range_is_refused(int rank) =>
        FluentActions.Invoking(() => new LowRankLinear(nn.Linear(14, 10), rank)).Should().Throw<ArgumentOutOfRangeException>();

    private static LowRankLinear Trained(double scale, double dropout = 0, ScalarType dtype = ScalarType.Float64)
    {
        using var guard = no_grad();
        var layer = new LowRankLinear(nn.Linear(14, 10, dtype: dtype), rank: 4, scale, dropout);
        layer.lora_B.copy_(Normal(9, dtype, 10, 4));
        return layer;
    }
}
