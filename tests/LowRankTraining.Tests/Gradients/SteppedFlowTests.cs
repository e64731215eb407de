using FluentAssertions;
using LowRankTraining.Checkpoints;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Gradients;

/// <summary>Weights that are updated in the backward pass, as soon as their gradient is complete.</summary>
public class SteppedFlowTests
{
    public static TheoryData<string> Methods => [.. Named.Keys];

    private static Dictionary<string, UpdateMethod> Named { get; } = new()
    {
        ["fira"] = new Fira { Rank = 4, RefreshEvery = 10 },
        ["apollo"] = new Apollo { Rank = 4, RefreshEvery = 10 },
        ["ldadam"] = new LDAdam { Rank = 4 },
        ["online subspace descent"] = new OnlineSubspaceDescent { Rank = 4 },
        ["spam"] = new Spam(),
        ["adam"] = Recipe.Of("plain", new AdamRule()),
        ["galore with a full-rank head"] = new GaLore { Rank = 4, RefreshEvery = 10 },
    };

    [Theory]
    [MemberData(nameof(Methods))]
    public void Trajectory_is_that_of_whole_gradients_and_no_layer_holds_one(string name)
    {
        using var scope = NewDisposeScope();
        using TappedModel whole = new(), stepped = new();
        var targets = Targets.AllLinear().Except("wide");
        using var one = Named[name].Attach(whole, targets).CreateOptimizer(0.01, 0.1);
        using var other = Named[name].Attach(stepped, targets, GradientFlow.Stepped).CreateOptimizer(0.01, 0.1);

        for (var step = 0; step < 50; step++)
        {
            Step(whole, one, step);
            Backward(stepped, step);
            stepped.named_parameters().Where(pair => pair.parameter.dim() == 2).Should().OnlyContain(pair => ReferenceEquals(pair.parameter.grad, null));
            other.step();
        }

        other.CompletedSteps.Should().Be(50);
        other.Refreshes.Should().Be(one.Refreshes);
        foreach (var ((parameter, expected), (_, actual)) in whole.named_parameters().Zip(stepped.named_parameters()))
            Draw.Error(actual.detach(), expected.detach().to(ScalarType.Float64)).Should().BeLessThan(1e-5, parameter);
    }

    [Fact]
    public void Projection_is_not_held_either()
    {
        using var scope = NewDisposeScope();
        using var model = new TappedModel();
        using var optimizer = Named["galore with a full-rank head"].Attach(model, Targets.AllLinear(), GradientFlow.Stepped).CreateOptimizer(0.01);
        Step(model, optimizer, 0);
        var before = model.get_parameter("twice.weight")!.detach().clone();

        Backward(model, 1);

        foreach (var name in new[] { "tall.weight", "twice.weight", "wide.weight" })
            optimizer.StateOf(model.get_parameter(name)!).TryGet("accumulated", out _).Should().BeFalse(name);
        model.get_parameter("twice.weight")!.equal(before).all().ToBoolean().Should().BeFalse("it is updated after the second of its two passes");
    }

    [Fact]
    public void Weight_is_updated_before_the_step()
    {
        using var scope = NewDisposeScope();
        using var model = new TappedModel();
        using var optimizer = Attach(model);
        var (head, bias) = (model.get_parameter("wide.weight")!.detach().clone(), model.get_parameter("wide.bias")!.detach().clone());

        Backward(model, 0);

        model.get_parameter("wide.weight")!.equal(head).all().ToBoolean().Should().BeFalse();
        model.get_parameter("wide.bias")!.equal(bias).all().ToBoolean().Should().BeTrue();
        optimizer.Session.Describe().Should().Contain("updated in the backward pass");
    }

    [Fact]
    public void Second_backward_pass_before_the_step_is_refused_by_the_step()
    {
        using var scope = NewDisposeScope();
        using var model = new TappedModel();
        using var optimizer = Attach(model);
        Backward(model, 0);

        model.Loss(1, 12).backward();

        optimizer.Invoking(o => o.step()).Should().Throw<InvalidOperationException>()
            .WithMessage("*has a second gradient before step()*accumulate under Projected or Whole*");
    }

    /// <summary>Two losses on one trunk, one after the other.</summary>
    [Fact]
    public void Second_backward_pass_through_what_was_updated_says_what_to_do()
    {
        using var scope = NewDisposeScope();
        using nn.Module<Tensor, Tensor> trunk = nn.Linear(8, 16), middle = nn.Linear(16, 16), first = nn.Linear(16, 2), second = nn.Linear(16, 3);
        using var model = nn.Sequential(("trunk", trunk), ("middle", middle), ("first", first), ("second", second));
        using var optimizer = new GaLore { Rank = 2 }.Attach(model, gradients: GradientFlow.Stepped).CreateOptimizer();
        var (one, other) = Losses();

        one.backward(retain_graph: true);
        other.backward();

        optimizer.Invoking(o => o.step()).Should().Throw<InvalidOperationException>()
            .WithMessage("*changed in place*under GradientFlow.Stepped the backward pass itself*add losses up and call backward() once*");
        optimizer.zero_grad();
        (one, other) = Losses();
        (one + other).backward();
        optimizer.step();
        optimizer.CompletedSteps.Should().Be(1);

        (Tensor, Tensor) Losses()
        {
            var shared = middle.call(trunk.call(ones(4, 8)).tanh()).tanh();
            return (first.call(shared).square().mean(), second.call(shared).square().mean());
        }
    }

    /// <summary>A penalty on the weight: libtorch adds its gradient when the layers' own are there.</summary>
    [Fact]
    public void Gradient_that_comes_after_the_update_is_refused_by_the_step()
    {
        using var scope = NewDisposeScope();
        using var model = new TappedModel();
        using var optimizer = Attach(model);

        (model.Loss(0, 12) + model.get_parameter("wide.weight")!.square().sum()).backward();

        optimizer.Invoking(o => o.step()).Should().Throw<InvalidOperationException>().WithMessage("'wide.weight'*came after that*penalty*weight_decay*");
        optimizer.zero_grad();
        Step(model, optimizer, 1);
        optimizer.CompletedSteps.Should().Be(1);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(double.NaN)]
    public void Gradient_that_cannot_be_used_is_counted_once(double factor)
    {
        using var scope = NewDisposeScope();
        using TappedModel model = new(), plain = new();
        using var optimizer = Named["galore with a full-rank head"].Attach(model, Targets.AllLinear(), GradientFlow.Stepped).CreateOptimizer(0.01);
        using var whole = Named["galore with a full-rank head"].Attach(plain, Targets.AllLinear()).CreateOptimizer(0.01);

        foreach (var (network, own) in new[] { (model, optimizer), (plain, whole) })
        {
            Step(network, own, 0);
            own.zero_grad();
            (network.Loss(1, 12) * factor).backward();
            own.step();
        }

        optimizer.SkippedUpdates.Should().Be(whole.SkippedUpdates).And.Be(plain.parameters().Count());
    }

    [Fact]
    public void What_comes_too_late_is_refused()
    {
        using var scope = NewDisposeScope();
        using var model = new TappedModel();
        using var optimizer = Attach(model);
        Backward(model, 0);

        optimizer.Invoking(o => o.clip_grad_norm_(1)).Should().Throw<NotSupportedException>().WithMessage("*clip_grad_norm_ comes too late*ClipByLastNorm*");
        optimizer.Invoking(o => o.accumulate()).Should().Throw<NotSupportedException>().WithMessage("*accumulate comes too late*");
        using var folder = new TemporaryDirectory();
        FluentActions.Invoking(() => TrainingCheckpoint.Save(folder.Path, model, optimizer)).Should().Throw<InvalidOperationException>()
            .WithMessage("*call step() first*");
    }

    /// <summary>It sees the gradients of norms and biases alone, whether the rule has had the others as products or whole.</summary>
    [Theory]
    [MemberData(nameof(Methods))]
    public void Clipping_by_torch_is_refused_before_a_step_like_the_one_before(string name)
    {
        using var scope = NewDisposeScope();
        using TappedModel model = new();
        using var optimizer = Named[name].Attach(model, Targets.AllLinear(), GradientFlow.Stepped).CreateOptimizer(0.01);
        for (var step = 0; step < 2; step++)
            Step(model, optimizer, step);

        Backward(model, 2);
        nn.utils.clip_grad_norm_(model.parameters(), 1e-3);

        optimizer.Invoking(one => one.step()).Should().Throw<InvalidOperationException>().WithMessage("*clip_grad_norm_*ClipByLastNorm*");
    }

    [Fact]
    public void Gradients_are_clipped_by_the_norm_of_the_step_before()
    {
        using var scope = NewDisposeScope();
        using TappedModel model = new(), byHand = new();
        var method = Recipe.Of("descent", new SgdRule());
        using var optimizer = method.Attach(model, gradients: GradientFlow.Stepped).CreateOptimizer(0.1);
        using var plain = method.Attach(byHand).CreateOptimizer(0.1);
        optimizer.ClipByLastNorm = 0.05;

        var last = 0.0;
        for (var step = 0; step < 4; step++)
        {
            Step(model, optimizer, step);

            Backward(byHand, step);
            var norm = plain.clip_grad_norm_(double.PositiveInfinity);
            foreach (var parameter in byHand.parameters())
                parameter.grad!.mul_(Math.Min(1, 0.05 / (last + 1e-6)));
            last = norm;
            plain.step();
        }

        last.Should().BeGreaterThan(0.1);
        foreach (var (expected, actual) in byHand.parameters().Zip(model.parameters()))
            Draw.Error(actual.detach(), expected.detach().to(ScalarType.Float64)).Should().BeLessThan(1e-5);
    }

    [Fact]
    public void Norm_of_the_last_step_is_saved()
    {
        using var scope = NewDisposeScope();
        using TappedModel model = new(), resumed = new();
        using LowRankOptimizer optimizer = Attach(model), other = Attach(resumed);
        (optimizer.ClipByLastNorm, other.ClipByLastNorm) = (0.05, 0.05);
        Step(model, optimizer, 0);
        using var folder = new TemporaryDirectory();
        TrainingCheckpoint.Save(folder.Path, model, optimizer);

        TrainingCheckpoint.Load(folder.Path, resumed, other);
        Step(model, optimizer, 1);
        Step(resumed, other, 1);

        foreach (var (expected, actual) in model.parameters().Zip(resumed.parameters()))
            actual.data<float>().ToArray().Should().Equal(expected.data<float>().ToArray());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(double.NaN)]
    public void Norm_to_clip_at_has_to_be_above_0(double norm)
    {
        using var model = new TappedModel();
        using var optimizer = Attach(model);

        optimizer.Invoking(o => o.ClipByLastNorm = norm).Should().Throw<ArgumentOutOfRangeException>();
    }

    [Fact]
    public void Clipping_by_the_last_norm_is_refused_where_that_of_the_step_is_known()
    {
        using var model = new TappedModel();
        using var optimizer = new GaLore { Rank = 4 }.Attach(model).CreateOptimizer();

        optimizer.Invoking(o => o.ClipByLastNorm = 1).Should().Throw<InvalidOperationException>().WithMessage("*call clip_grad_norm_ before each step*");
    }

    private static LowRankOptimizer Attach(TappedModel model) => new Fira { Rank = 4 }.Attach(model, gradients: GradientFlow.Stepped).CreateOptimizer(0.01);

    private static void Step(TappedModel model, LowRankOptimizer optimizer, int step)
    {
        Backward(model, step);
        optimizer.step();
    }

    private static void Backward(TappedModel model, int step)
    {
        foreach (var parameter in model.parameters())
            parameter.grad = null;
        model.Loss(step, 12).backward();
    }
}
