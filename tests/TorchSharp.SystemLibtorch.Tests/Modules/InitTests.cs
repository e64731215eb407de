using FluentAssertions;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace TorchSharp.SystemLibtorch.Tests.Modules;

public sealed class InitTests
{
    [Fact]
    public void Deviations_follow_fan_and_gain()
    {
        using var scope = NewDisposeScope();
        manual_seed(1);
        var weight = empty(400, 100);

        Deviation(init.kaiming_normal_(weight, nonlinearity: init.NonlinearityType.ReLU)).Should().BeApproximately(Math.Sqrt(2.0 / 100), 0.003);
        Deviation(init.kaiming_uniform_(weight, a: Math.Sqrt(5))).Should().BeApproximately(1 / Math.Sqrt(3 * 100), 0.001);
        Deviation(init.xavier_normal_(weight)).Should().BeApproximately(Math.Sqrt(2.0 / 500), 0.002);
        Deviation(init.xavier_uniform_(weight, gain: 2)).Should().BeApproximately(2 * Math.Sqrt(2.0 / 500), 0.003);
        weight.abs().max().item<float>().Should().BeLessThanOrEqualTo((float)(2 * Math.Sqrt(6.0 / 500)));
    }

    [Fact]
    public void Fans_count_the_receptive_field()
    {
        using var weight = empty(8, 3, 5, 2);

        init.CalculateFanInAndFanOut(weight).Should().Be((30, 80));
        using var vector = empty(3);
        FluentActions.Invoking(() => init.CalculateFanInAndFanOut(vector)).Should().Throw<ArgumentException>();
    }

    [Fact]
    public void A_truncated_normal_stays_within_its_bounds_and_near_its_moments()
    {
        using var scope = NewDisposeScope();
        manual_seed(1);
        var weight = init.trunc_normal_(empty(100_000), mean: 1, std: 0.5, a: 0, b: 2);

        weight.min().item<float>().Should().BeGreaterThanOrEqualTo(0);
        weight.max().item<float>().Should().BeLessThanOrEqualTo(2);
        weight.mean().item<float>().Should().BeApproximately(1, 0.01f);
        // The variance of a standard normal cut at ±2 is 0.7737.
        Deviation(weight).Should().BeApproximately(0.5 * Math.Sqrt(0.7737), 0.005);
    }

    [Theory]
    [InlineData(3, 7)]
    [InlineData(7, 3)]
    public void Orthogonal_rows_or_columns_are_orthonormal_times_the_gain(long rows, long columns)
    {
        using var scope = NewDisposeScope();
        var weight = init.orthogonal_(empty(rows, columns, dtype: float64), gain: 2);
        var gram = rows < columns ? weight.matmul(weight.t()) : weight.t().matmul(weight);

        gram.allclose(eye(3, dtype: float64) * 4, 1e-10, 1e-10).Should().BeTrue();
    }

    [Fact]
    public void Parameters_are_filled_without_recording()
    {
        using var parameter = new Parameter(empty(3));

        init.ones_(parameter).Should().BeSameAs(parameter);

        parameter.is_leaf.Should().BeTrue();
        parameter.data<float>().ToArray().Should().Equal(1, 1, 1);
    }

    [Fact]
    public void Clipping_by_norm_scales_all_gradients_together()
    {
        using var scope = NewDisposeScope();
        Parameter[] parameters = [WithGradient(3, 0), WithGradient(0, 4), new Parameter(zeros(1))];

        utils.clip_grad_norm_(parameters, 10).Should().BeApproximately(5, 1e-6);
        parameters[1].grad!.data<float>().ToArray().Should().Equal(0, 4);

        utils.clip_grad_norm_(parameters, 1).Should().BeApproximately(5, 1e-6);
        parameters[0].grad!.data<float>().ToArray()[0].Should().BeApproximately(0.6f, 1e-6f);
        parameters[1].grad!.data<float>().ToArray()[1].Should().BeApproximately(0.8f, 1e-6f);
    }

    [Fact]
    public void Clipping_by_the_infinity_norm_and_by_value()
    {
        using var scope = NewDisposeScope();
        Parameter[] parameters = [WithGradient(3, -8)];

        utils.clip_grad_norm_(parameters, 4, double.PositiveInfinity).Should().Be(8);
        parameters[0].grad!.data<float>().ToArray()[1].Should().BeApproximately(-4, 1e-5f);
        utils.clip_grad_value_(parameters, 1);
        parameters[0].grad!.data<float>().ToArray().Should().Equal(1, -1);
    }

    private static double Deviation(Tensor tensor) => tensor.std().ToDouble();

    private static Parameter WithGradient(params float[] gradient)
    {
        var parameter = new Parameter(zeros(gradient.Length));
        parameter.grad = tensor(gradient);
        return parameter;
    }
}
