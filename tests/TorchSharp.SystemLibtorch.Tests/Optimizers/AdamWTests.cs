using FluentAssertions;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace TorchSharp.SystemLibtorch.Tests.Optimizers;

public sealed class AdamWTests
{
    private static readonly double[][] Gradients = [[0.5, -2, 0.01], [1, 0, -0.3], [-0.7, 0.2, 4], [0.1, 0.1, 0.1]];

    [Theory]
    [InlineData(0, false, false)]
    [InlineData(0.1, false, false)]
    [InlineData(0.1, true, false)]
    [InlineData(0.1, false, true)]
    public void Steps_match_the_formula(double decay, bool amsgrad, bool maximize)
    {
        using var parameter = new Parameter(tensor(new double[] { 1, -1, 2 }));
        using var optimizer = optim.AdamW(new[] { parameter }, lr: 0.1, beta1: 0.8, beta2: 0.9, eps: 1e-6, weight_decay: decay, amsgrad: amsgrad, maximize: maximize);

        Apply(optimizer, parameter);

        var expected = Recompute([1, -1, 2], 0.1, 0.8, 0.9, 1e-6, decay, amsgrad, maximize);
        parameter.data<double>().ToArray().Should().Equal(expected, Close);
    }

    [Fact]
    public void A_parameter_without_gradient_stays_and_counts_no_step()
    {
        using var parameter = new Parameter(ones(2));
        using var optimizer = optim.AdamW(new[] { parameter }, weight_decay: 0.1);

        optimizer.step();

        parameter.data<float>().ToArray().Should().Equal(1, 1);
        ((AdamW.State)optimizer.state_dict().State[0]).step.Should().Be(0);
    }

    [Fact]
    public void Groups_take_what_they_leave_open_from_the_optimizer()
    {
        using var first = new Parameter(ones(1));
        using var second = new Parameter(ones(1));
        using var optimizer = optim.AdamW(
            new AdamW.ParamGroup[] { new([first], new AdamW.Options { LearningRate = 0.5 }), new() { Parameters = [second] } }, lr: 0.1, beta1: 0.7, beta2: 0.8);

        optimizer.ParamGroups.Select(group => group.LearningRate).Should().Equal(0.5, 0.1);
        optimizer.ParamGroups.Cast<AdamW.ParamGroup>().Select(group => group.Betas).Should().Equal((0.7, 0.8), (0.7, 0.8));
        optimizer.state_dict().StateIndexRef.Should().BeEquivalentTo(new[] { new[] { 0 }, [1] });
    }

    [Fact]
    public void Wrong_hyperparameters_are_refused()
    {
        FluentActions.Invoking(() => optim.AdamW(Array.Empty<Parameter>(), lr: -1)).Should().Throw<ArgumentException>();
        FluentActions.Invoking(() => optim.AdamW(Array.Empty<Parameter>(), beta1: 1)).Should().Throw<ArgumentException>();
        FluentActions.Invoking(() => optim.AdamW(Array.Empty<Parameter>(), weight_decay: -0.1)).Should().Throw<ArgumentException>();
    }

    [Fact]
    public void A_step_leaves_no_tensors_behind()
    {
        using var parameter = new Parameter(ones(10));
        parameter.grad = ones(10);
        using var optimizer = optim.AdamW(new[] { parameter });
        optimizer.step();
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;

        for (var step = 0; step < 10; step++)
        {
            optimizer.step();
        }

        DisposeScopeManager.Statistics.ThreadTotalLiveCount.Should().Be(before);
    }

    [Fact]
    public void A_parameter_that_was_replaced_by_a_conversion_is_unknown_to_the_optimizer()
    {
        using var layer = nn.Linear(2, 2);
        using var optimizer = optim.AdamW(layer.parameters());

        layer.to(ScalarType.Float64);

        optimizer.Invoking(o => o.step()).Should().Throw<KeyNotFoundException>();
    }

    [Fact]
    public void The_closure_runs_with_gradients_on_and_its_loss_is_returned()
    {
        using var parameter = new Parameter(ones(1));
        using var optimizer = optim.AdamW(new[] { parameter }, lr: 0.1);

        using var guard = no_grad();
        using var loss = optimizer.step(() =>
        {
            var value = parameter.pow(2).sum();
            value.backward();
            return value;
        });

        loss!.item<float>().Should().Be(1);
        parameter.item<float>().Should().BeApproximately(0.9f, 1e-6f);
    }

    private static void Apply(OptimizerHelper optimizer, Parameter parameter)
    {
        foreach (var gradient in Gradients)
        {
            using var value = tensor(gradient);
            parameter.grad = value;
            optimizer.step();
        }
    }

    private static double[] Recompute(double[] start, double lr, double beta1, double beta2, double eps, double decay, bool amsgrad, bool maximize)
        => start.Select((weight, position) =>
        {
            double first = 0, second = 0, largest = 0;
            for (var step = 1; step <= Gradients.Length; step++)
            {
                var gradient = (maximize ? -1 : 1) * Gradients[step - 1][position];
                weight -= lr * decay * weight;
                first = (beta1 * first) + ((1 - beta1) * gradient);
                second = (beta2 * second) + ((1 - beta2) * gradient * gradient);
                largest = Math.Max(largest, second);
                var mean = first / (1 - Math.Pow(beta1, step));
                var square = (amsgrad ? largest : second) / (1 - Math.Pow(beta2, step));
                weight -= lr * mean / (Math.Sqrt(square) + eps);
            }

            return weight;
        }).ToArray();

    private static bool Close(double left, double right) => Math.Abs(left - right) < 1e-12;
}
