using FluentAssertions;
using LowRankTraining.Mixing;
using LowRankTraining.Tests.Adapters;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Mixing;

/// <summary>Three ways to compute ⟨∇ℓ, ∇L′⟩ of a perceptron: from a source's gradient, as the mixer does; example by example, without a gradient for each;
/// and as a slope of the loss.</summary>
public sealed class AlignmentMethodsTests : IDisposable
{
    private const int Examples = 6;

    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly Linear _first = Training.Seeded(nn.Linear(5, 16, dtype: ScalarType.Float64));
    private readonly Linear _second = Training.Seeded(nn.Linear(16, 3, dtype: ScalarType.Float64), seed: 9);
    private readonly (Tensor Input, Tensor Target) _batch = Batch(1);
    private readonly (Tensor Input, Tensor Target) _next = Batch(2);

    private Parameter[] Parameters => [_first.weight!, _first.bias!, _second.weight!, _second.bias!];

    public void Dispose()
    {
        _first.Dispose();
        _second.Dispose();
        _scope.Dispose();
    }

    [Fact]
    public void Gradient_of_each_example_agrees_with_the_layers_own_inputs_and_errors()
    {
        var direction = Gradient(_next, ..);

        PerExample(direction).Should().HaveCount(Examples);
        PerExample(direction).Zip(Enumerable.Range(0, Examples), (reward, row) => reward - Product(Gradient(_batch, row..(row + 1)), direction))
            .Should().OnlyContain(error => Math.Abs(error) < 1e-12);
    }

    [Fact]
    public void Slope_of_the_loss_is_the_same_again()
    {
        var direction = Gradient(_next, ..);

        Slopes(direction).Zip(PerExample(direction)).Should().OnlyContain(pair => Math.Abs(pair.First - pair.Second) < 1e-4 * (1 + Math.Abs(pair.Second)));
    }

    [Fact]
    public void Mixer_rewards_a_source_with_the_sum_over_its_examples()
    {
        using var mixer = new GradientAlignmentMixer(["batch", "next"], GradientView.Of(Parameters), new() { Normalize = false });

        Observe("batch", _batch);
        Observe("next", _next);

        mixer.Mixture[0].Reward.Should().BeApproximately(PerExample(Gradient(_next, ..)).Sum(), 1e-4);

        void Observe(string source, (Tensor Input, Tensor Target) batch)
        {
            Clear();
            mixer.Observe(source, () => Losses(Forward(batch.Input).Output, batch.Target).sum().backward());
            mixer.Update();
        }
    }

    /// <summary>Rᵢ = Σ over layers of δᵢᵀ V xᵢ + δᵢᵀ v, the rows of (δ V) ⊙ x added up, V and v the direction's part for weight and bias: one product a layer
    /// more than a backward pass.</summary>
    private double[] PerExample(Tensor[] direction)
    {
        Clear();
        var (hidden, activated, output) = Forward(_batch.Input);
        hidden.retain_grad();
        output.retain_grad();
        Losses(output, _batch.Target).sum().backward();

        using var guard = no_grad();
        var rewards = Layer(hidden.grad!, _batch.Input, direction[0], direction[1]) + Layer(output.grad!, activated, direction[2], direction[3]);
        return [.. rewards.data<double>()];

        static Tensor Layer(Tensor errors, Tensor inputs, Tensor weight, Tensor bias) => errors.mm(weight).mul(inputs).sum(1L) + errors.mv(bias);
    }

    /// <summary>(ℓ(θ + ε v) − ℓ(θ − ε v)) / 2ε with ε = 10⁻³ ‖θ‖/‖v‖: two forward passes and no graph.</summary>
    private double[] Slopes(Tensor[] direction)
    {
        using var guard = no_grad();
        var epsilon = 1e-3 * Norm(Parameters) / Norm(direction);
        var (above, below) = (At(epsilon), At(-epsilon));
        return [.. ((above - below) / (2 * epsilon)).data<double>()];

        Tensor At(double distance)
        {
            Move(distance);
            var losses = Losses(Forward(_batch.Input).Output, _batch.Target);
            Move(-distance);
            return losses;
        }

        void Move(double distance)
        {
            foreach (var (parameter, along) in Parameters.Zip(direction))
                parameter.add_(along, alpha: distance);
        }
    }

    private Tensor[] Gradient((Tensor Input, Tensor Target) batch, Range rows)
    {
        Clear();
        var (start, length) = rows.GetOffsetAndLength(Examples);
        Losses(Forward(batch.Input.narrow(0, start, length)).Output, batch.Target.narrow(0, start, length)).sum().backward();
        return [.. Parameters.Select(parameter => parameter.grad!.clone())];
    }

    private (Tensor Hidden, Tensor Activated, Tensor Output) Forward(Tensor input)
    {
        var hidden = _first.call(input);
        var activated = hidden.tanh();
        return (hidden, activated, _second.call(activated));
    }

    private void Clear()
    {
        foreach (var parameter in Parameters)
            parameter.grad = null;
    }

    private static Tensor Losses(Tensor output, Tensor target) => (output - target).square().sum(1L);

    private static double Product(Tensor[] one, Tensor[] other) => one.Zip(other, (a, b) => a.mul(b).sum().ToDouble()).Sum();

    private static double Norm(Tensor[] tensors) => Math.Sqrt(Product(tensors, tensors));

    private static (Tensor Input, Tensor Target) Batch(ulong seed) => (Draw.Normal(Examples, 5, 10 * seed), Draw.Normal(Examples, 3, 10 * seed + 1));
}
