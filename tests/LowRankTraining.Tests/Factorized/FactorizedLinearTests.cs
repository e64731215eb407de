using FluentAssertions;
using LowRankTraining.Layers;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Factorized;

public class FactorizedLinearTests
{
    [Theory]
    [InlineData(FactorActivation.None)]
    [InlineData(FactorActivation.SiLU)]
    public void Output_and_gradients_are_those_of_the_written_out_products(FactorActivation activation)
    {
        using var scope = NewDisposeScope();
        var layer = new FactorizedLinear(nn.Linear(14, 10, dtype: ScalarType.Float64), rank: 4, activation);
        var input = Normal(2, ScalarType.Float64, 3, 2, 14).requires_grad_(true);
        var (u, v, x) = (Copy(layer.factor_U), Copy(layer.factor_V), Copy(input));

        layer.call(input).square().sum().backward();
        var hidden = x.matmul(v.t());
        var expected = (activation == FactorActivation.SiLU ? hidden * hidden.sigmoid() : hidden).matmul(u.t()) + layer.bias!;
        expected.square().sum().backward();

        layer.call(input).shape.Should().Equal(3, 2, 10);
        Distance(Values(layer.call(input)), Values(expected)).Should().BeLessThan(1e-12);
        Distance(Values(layer.factor_U.grad!), Values(u.grad!)).Should().BeLessThan(1e-12);
        Distance(Values(layer.factor_V.grad!), Values(v.grad!)).Should().BeLessThan(1e-12);
        Distance(Values(input.grad!), Values(x.grad!)).Should().BeLessThan(1e-12);
    }

    [Theory]
    [InlineData(3)]
    [InlineData(10)]
    public void Weight_becomes_its_best_approximation_in_balanced_factors(int rank)
    {
        using var scope = NewDisposeScope();
        double[] values = [9, 8, 6, 5, 4, 3, 2, 1, 0.5, 0.1];
        var source = nn.Linear(new Parameter(Draw.WithSingularValues(10, 14, seed: 4, values)));

        var layer = new FactorizedLinear(source, rank);

        var best = Draw.WithSingularValues(10, 14, seed: 4, [.. values.Take(rank), .. new double[10 - rank]]);
        Distance(Values(layer.EffectiveWeight()), Values(best)).Should().BeLessThan(1e-12);
        Distance(Values(layer.factor_U.t().mm(layer.factor_U)), Values(layer.factor_V.mm(layer.factor_V.t()))).Should().BeLessThan(1e-12);
    }

    [Fact]
    public void Random_factors_give_products_of_variance_one_over_m_plus_n()
    {
        using var scope = NewDisposeScope();
        var layer = new FactorizedLinear(inputs: 300, outputs: 200, rank: 50, key: 3);

        (Values(layer.EffectiveWeight()).Average(value => value * value) * 500).Should().BeApproximately(1, 0.05);
        Values(layer.bias!).Should().OnlyContain(value => value == 0);
    }

    [Fact]
    public void Layer_with_an_activation_has_no_weight() =>
        new FactorizedLinear(6, 4, rank: 2, activation: FactorActivation.SiLU).Invoking(layer => layer.EffectiveWeight())
            .Should().Throw<InvalidOperationException>().WithMessage("*SiLU*Keep the layer*");

    [Fact]
    public void State_dict_can_be_loaded_into_a_layer_of_the_same_shapes()
    {
        using var scope = NewDisposeScope();
        var layer = new FactorizedLinear(nn.Linear(14, 10), rank: 4);
        var other = new FactorizedLinear(inputs: 14, outputs: 10, rank: 4);
        layer.state_dict().Keys.Should().Equal("bias", "factor_U", "factor_V");

        other.load_state_dict(layer.state_dict());

        var input = Normal(5, ScalarType.Float32, 3, 14);
        Values(other.call(input)).Should().Equal(Values(layer.call(input)));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(11)]
    public void Rank_out_of_range_is_refused(int rank)
    {
        FluentActions.Invoking(() => new FactorizedLinear(nn.Linear(14, 10), rank)).Should().Throw<ArgumentOutOfRangeException>();
        FluentActions.Invoking(() => new FactorizedLinear(14, 10, rank)).Should().Throw<ArgumentOutOfRangeException>();
    }

    private static Tensor Copy(Tensor tensor) => tensor.detach().clone().requires_grad_(true);
}
