using FluentAssertions;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace TorchSharp.SystemLibtorch.Tests.Optimizers;

public sealed class MomentumTests
{
    private static readonly double[] Gradients = [0.5, -2, 0.25, 1];

    [Theory]
    [InlineData(0, 0, 0, false)]
    [InlineData(0, 0, 0.1, false)]
    [InlineData(0.9, 0, 0.1, false)]
    [InlineData(0.9, 0.5, 0, false)]
    [InlineData(0.9, 0, 0.1, true)]
    public void SGD_matches_the_formula(double momentum, double dampening, double decay, bool nesterov)
    {
        using var parameter = new Parameter(tensor(new double[] { 3 }));
        using var optimizer = optim.SGD(new[] { parameter }, 0.1, momentum, dampening, decay, nesterov);

        Apply(optimizer, parameter);

        var (weight, velocity) = (3.0, 0.0);
        foreach (var (raw, step) in Gradients.Select((gradient, step) => (gradient, step)))
        {
            var gradient = raw + (decay * weight);
            velocity = step == 0 ? gradient : (momentum * velocity) + ((1 - dampening) * gradient);
            weight -= 0.1 * (momentum == 0 ? gradient : nesterov ? gradient + (momentum * velocity) : velocity);
        }

        parameter.item<double>().Should().BeApproximately(weight, 1e-13);
    }

    [Fact]
    public void Nesterov_needs_momentum_without_dampening()
    {
        FluentActions.Invoking(() => optim.SGD(Array.Empty<Parameter>(), 0.1, nesterov: true)).Should().Throw<ArgumentException>();
        FluentActions.Invoking(() => optim.SGD(Array.Empty<Parameter>(), 0.1, 0.9, 0.5, nesterov: true)).Should().Throw<ArgumentException>();
    }

    [Fact]
    public void Zero_grad_zeroes_and_keeps_the_gradient()
    {
        using var parameter = new Parameter(ones(2));
        parameter.grad = ones(2);
        using var optimizer = optim.SGD(new[] { parameter }, 0.1);

        optimizer.zero_grad();

        parameter.grad!.data<float>().ToArray().Should().Equal(0, 0);
    }

    private static void Apply(OptimizerHelper optimizer, Parameter parameter)
    {
        foreach (var gradient in Gradients)
        {
            using var value = tensor(new[] { gradient });
            parameter.grad = value;
            optimizer.step();
        }
    }
}
