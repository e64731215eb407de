using FluentAssertions;
using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using Microsoft.Extensions.Options;
using TorchSharp;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Adapters;

public class DoRATests
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

        Distance(Values(new DoRALinear(source, rank: 4).call(input)), expected).Should().BeLessThan(1e-6);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Output_and_gradients_are_those_of_the_written_out_weight(bool normGradient)
    {
        using var scope = NewDisposeScope();
        var layer = Trained(normGradient);
        var (input, weights) = (Normal(2, ScalarType.Float64, 6, 14).requires_grad_(true), Normal(3, ScalarType.Float64, 6, 10));
        var (a, b, m, x) = (Leaf(layer.lora_A), Leaf(layer.lora_B), Leaf(layer.lora_magnitude_vector), Leaf(input));

        var output = layer.call(input);
        (output * weights).sum().backward();

        var direction = layer.weight + b.mm(a).mul(0.7);
        var norm = direction.square().sum(1L, keepdim: true).sqrt();
        var turned = m.unsqueeze(1) * direction / (normGradient ? norm : norm.detach());
        var expected = x.mm(turned.t()) + layer.bias!;
        (expected * weights).sum().backward();

        Distance(Values(output), Values(expected)).Should().BeLessThan(1e-12);
        Distance(Values(layer.EffectiveWeight()), Values(turned)).Should().BeLessThan(1e-12);
        Distance(Values(layer.lora_A.grad!), Values(a.grad!)).Should().BeLessThan(1e-11);
        Distance(Values(layer.lora_B.grad!), Values(b.grad!)).Should().BeLessThan(1e-11);
        Distance(Values(layer.lora_magnitude_vector.grad!), Values(m.grad!)).Should().BeLessThan(1e-11);
        Distance(Values(input.grad!), Values(x.grad!)).Should().BeLessThan(1e-11);
        layer.weight.grad.Should().BeNull("the weight is frozen");
    }

    [Fact]
    public void Rows_of_the_weight_have_the_lengths_that_are_trained()
    {
        using var model = Seeded(new OpenNetwork(ScalarType.Float64));
        using var optimizer = Strategy(Injection.Replace).Attach(model).CreateOptimizer(0.01);
        Run(model, optimizer, 5);
        var magnitude = Values(model.get_parameter("second.lora_magnitude_vector")!);
        var learnt = Output(model);

        optimizer.Session.Finish();

        Distance(Output(model), learnt).Should().BeLessThan(1e-12);
        Distance(Values(linalg.vector_norm(model.get_parameter("second.weight")!.detach(), dims: [1])), magnitude).Should().BeLessThan(1e-12);
        model.state_dict().Keys.Should().NotContain(name => name.Contains("lora_"));
    }

    [Fact]
    public void Row_of_zeros_is_no_obstacle()
    {
        using var scope = NewDisposeScope();
        var source = nn.Linear(14, 10);
        using (no_grad())
            source.weight[0] = zeros(14);
        var layer = new DoRALinear(source, rank: 4);

        layer.call(Normal(1, ScalarType.Float32, 5, 14)).square().sum().backward();

        new[] { layer.lora_A, layer.lora_B, layer.lora_magnitude_vector }.Should().OnlyContain(parameter => parameter.grad!.isfinite().all().ToBoolean());
    }

    [Fact]
    public void Hook_follows_replacement()
    {
        using var hooked = Seeded(new OpenNetwork(ScalarType.Float64));
        using var replaced = Seeded(new OpenNetwork(ScalarType.Float64));
        using var left = Strategy(Injection.Hook).Attach(hooked).CreateOptimizer(0.01);
        using var right = Strategy(Injection.Replace).Attach(replaced).CreateOptimizer(0.01);

        Run(hooked, left, 6);
        Run(replaced, right, 6);

        Distance(Output(hooked), Output(replaced)).Should().BeLessThan(1e-10);
        left.StateBytes.Should().Be(right.StateBytes);
    }

    [Fact]
    public void Model_with_sealed_fields_gets_hooks_and_its_names_back()
    {
        using var model = Seeded(new SealedNetwork());
        var (names, before) = (model.state_dict().Keys.ToArray(), Output(model));
        using var optimizer = Strategy(Injection.Auto).Attach(model).CreateOptimizer(0.01);

        Distance(Output(model), before).Should().BeLessThan(1e-6);
        model.state_dict().Keys.Should().Contain(["first.lora_A", "first.lora_B", "first.lora_magnitude_vector"]);
        ((AdapterSession)optimizer.Session).Layers.Should().OnlyContain(layer => layer.Injection == Injection.Hook);
        Run(model, optimizer, 3);
        optimizer.Session.Finish();

        model.state_dict().Keys.Should().Equal(names);
    }

    [Fact]
    public void State_is_that_of_the_formula()
    {
        const int Rank = 4, Others = 4 * (16 + 16 + 16 + 6 * 16 + 6) * 2;
        using var model = Seeded(new OpenNetwork());
        using var optimizer = (Strategy(Injection.Replace) with { TrainOthers = true }).Attach(model).CreateOptimizer(0.01);
        Run(model, optimizer, 1);

        optimizer.StateBytes.Should().Be(Others + 4 * ((2 * Rank * (16 + 12) + 2 * 16) + (2 * Rank * (16 + 16) + 2 * 16)));
    }

    [Fact]
    public void Projected_factors_move_in_the_subspace_of_their_gradient()
    {
        using var scope = NewDisposeScope();
        using var model = Seeded(new OpenNetwork(ScalarType.Float64));
        using var optimizer = new DoRA { Rank = 6, Projected = new() { Rank = 2, Scale = 1, RefreshEvery = 100 } }.Attach(model).CreateOptimizer(0.01);

        Run(model, optimizer, 6);

        // B starts at zero and all of its steps lie between the same two bases.
        var values = Values(linalg.svdvals(model.get_parameter("second.lora_B")!.detach()));
        values[1].Should().BeGreaterThan(1e-4);
        values[2].Should().BeLessThan(1e-12);
        optimizer.SkippedUpdates.Should().Be(0, "a factor that waits for its first gradient is not refused one");
        var state = optimizer.StateOf(optimizer.Session.Parameters.Single(plan => plan.Name == "second.lora_B").Parameter);
        state.Tensors.Keys.Should().Contain(["basis_left", "basis_right"]);
        state["exp_avg"].shape.Should().Equal(2, 2);
    }

    [Fact]
    public void Step_of_a_projected_factor_is_that_of_the_projected_gradient()
    {
        using var scope = NewDisposeScope();
        using var model = Seeded(new OpenNetwork(ScalarType.Float64));
        using var optimizer = new DoRA { Rank = 6, Projected = new() { Rank = 2, Scale = 0.5 } }.Attach(model).CreateOptimizer(0.01);
        optimizer.zero_grad();
        (model.call(Inputs(model)) - Normal(2, ScalarType.Float64, 10, 6)).square().mean().backward();
        var gradient = model.get_parameter("second.lora_B")!.grad!.clone();

        optimizer.step();

        // B′ = −η α P Adam(Pᵀ G Q) Qᵀ, and Adam's first step is the sign of what it gets (here a diagonal, the two leading singular values, so zeros beside
        // it).
        var (left, _, right) = linalg.svd(gradient, fullMatrices: false);
        var (p, q) = (left.narrow(1, 0, 2), right.narrow(0, 0, 2));
        Distance(Values(model.get_parameter("second.lora_B")!), Values(p.mm(q).mul(-0.01 * 0.5))).Should().BeLessThan(1e-4);
    }

    [Fact]
    public void Shadow_is_refused_in_words()
    {
        FluentActions.Invoking(() => Checks.Require(Strategy(Injection.Shadow))).Should().Throw<OptionsValidationException>()
            .WithMessage("*Shadow*Replace, Hook or Auto*");
        FluentActions.Invoking(() => Checks.Require(new DoRA { Projected = new() { Rank = 0 } })).Should().Throw<OptionsValidationException>()
            .WithMessage("*DoRA.Projected.Rank is 0*");

        using var model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten());
        model.Invoking(convolution => Strategy(Injection.Auto).Attach(convolution, Targets.AllMatrices())).Should().Throw<ArgumentException>()
            .WithMessage("*it is not the weight of a linear module*");
    }

    private static DoRA Strategy(Injection injection) => new() { Rank = 4, Injection = injection };

    private static Tensor Leaf(Tensor tensor) => tensor.detach().clone().requires_grad_(true);

    private static DoRALinear Trained(bool normGradient)
    {
        using var guard = no_grad();
        var layer = new DoRALinear(nn.Linear(14, 10, dtype: ScalarType.Float64), rank: 4, scale: 0.7, normGradient: normGradient);
        layer.lora_B.copy_(Normal(9, ScalarType.Float64, 10, 4));
        layer.lora_magnitude_vector.copy_(Normal(8, ScalarType.Float64, 10));
        return layer;
    }
}
