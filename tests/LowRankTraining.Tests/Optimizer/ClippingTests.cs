using FluentAssertions;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Adapters;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Optimizer;

/// <summary>Clipping what waits for a step, accumulated or not.</summary>
public class ClippingTests
{
    private const double Rate = 0.05;

    public static TheoryData<string> WholeGradientMethods => ["fira", "apollo", "flora"];

    [Theory]
    [InlineData(2, 1.0)]
    [InlineData(2, 0.01)]
    [InlineData(1, 0.01)]
    public void Norm_and_step_after_accumulation_are_those_without(int window, double largest)
    {
        using var scope = NewDisposeScope();
        using Run whole = new(), parts = new();
        foreach (var run in new[] { whole, parts })
            run.UpTo(window);

        whole.Sum(window);
        parts.Accumulate(window);
        var (expected, norm) = (whole.Optimizer.clip_grad_norm_(largest), parts.Optimizer.clip_grad_norm_(largest));
        norm.Should().BeApproximately(expected, 1e-9 * expected);
        norm.Should().BeGreaterThan(largest);
        parts.Optimizer.clip_grad_norm_(double.PositiveInfinity).Should().BeApproximately(largest, 1e-4 * largest);

        whole.Optimizer.step();
        parts.Optimizer.step();
        Draw.Error(parts.Weight.detach(), whole.Weight.detach()).Should().BeLessThan(1e-7);
        Draw.Error(parts.Bias.detach(), whole.Bias.detach()).Should().BeLessThan(1e-7);
    }

    [Fact]
    public void Norm_is_that_of_the_projections_and_of_what_is_not_projected()
    {
        using var scope = NewDisposeScope();
        using var run = new Run();
        run.UpTo(2);
        run.Accumulate(2);

        var basis = run.Optimizer.StateOf(run.Weight)["basis"];
        var expected = Math.Sqrt(Math.Pow(basis.t().mm(Run.Gradients(2)).norm().ToDouble(), 2) + Math.Pow(Run.Gradients(2).select(1, 0).norm().ToDouble(), 2));

        run.Optimizer.clip_grad_norm_(1).Should().BeApproximately(expected, 1e-9 * expected);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    public void Step_that_finds_a_subspace_counts_what_the_new_one_holds(int window)
    {
        using var scope = NewDisposeScope();
        using var run = new Run();
        run.UpTo(window);
        run.Sum(window);
        var refreshes = run.Optimizer.Refreshes;

        var norm = run.Optimizer.clip_grad_norm_(0.1);

        run.Optimizer.Refreshes.Should().Be(refreshes + 1);
        var basis = run.Optimizer.StateOf(run.Weight)["basis"];
        var expected = Math.Sqrt(Math.Pow(basis.t().mm(Run.Gradients(window)).norm().ToDouble(), 2)
            + Math.Pow(Run.Gradients(window).select(1, 0).norm().ToDouble(), 2));
        norm.Should().BeApproximately(expected, 1e-9 * expected);
    }

    [Fact]
    public void Clipping_that_cuts_nothing_leaves_a_step_that_finds_a_subspace_as_it_is()
    {
        using var scope = NewDisposeScope();
        using Run measured = new(), plain = new();
        for (var window = 1; window <= 6; window++)
            foreach (var run in new[] { measured, plain })
            {
                run.Sum(window);
                if (run == measured)
                    run.Optimizer.clip_grad_norm_(double.PositiveInfinity);
                run.Optimizer.step();
            }

        measured.Optimizer.Refreshes.Should().Be(2);
        Draw.Error(measured.Weight.detach(), plain.Weight.detach()).Should().BeLessThan(1e-12);
    }

    [Theory]
    [MemberData(nameof(WholeGradientMethods))]
    public void Method_that_needs_whole_gradients_is_clipped_as_by_torch(string method)
    {
        using var scope = NewDisposeScope();
        using OpenNetwork ours = Training.Seeded(new OpenNetwork()), theirs = Training.Seeded(new OpenNetwork());
        using LowRankOptimizer a = Make(method, ours), b = Make(method, theirs);
        foreach (var (model, optimizer) in new[] { (ours, a), (theirs, b) })
        {
            Training.Run(model, optimizer, 2);
            optimizer.zero_grad();
            model.call(Training.Inputs(model)).square().mean().backward();
            optimizer.accumulate();
        }

        a.clip_grad_norm_(0.01).Should().BeApproximately(nn.utils.clip_grad_norm_(theirs.parameters(), 0.01), 1e-6);
        a.step();
        b.step();

        Training.Distance(Training.Output(ours), Training.Output(theirs)).Should().BeLessThan(1e-5);
    }

    [Fact]
    public void Norm_below_the_largest_changes_nothing()
    {
        using var scope = NewDisposeScope();
        using var run = new Run();
        run.UpTo(2);
        run.Sum(2);
        var before = run.Weight.grad!.clone();

        run.Optimizer.clip_grad_norm_(1e6);

        run.Weight.grad!.eq(before).all().ToBoolean().Should().BeTrue();
    }

    [Theory]
    [InlineData(1e30)]
    [InlineData(1e-30)]
    public void Norm_is_right_where_its_square_has_no_place_in_float32(double size)
    {
        using var scope = NewDisposeScope();
        using var weight = new Parameter(zeros(4, 4));
        using var optimizer = GaLore.AdamW([("weight", weight)], rank: 4);
        weight.grad = full([4, 4], size);

        optimizer.clip_grad_norm_(double.PositiveInfinity).Should().BeApproximately(4 * size, 1e-6 * size);
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public void Norm_that_is_not_finite_makes_a_step_that_changes_nothing(double broken)
    {
        using var scope = NewDisposeScope();
        using var run = new Run();
        run.UpTo(2);
        run.Accumulate(2);
        run.Bias.grad = full([6], broken, ScalarType.Float64);
        var (weight, bias) = (run.Weight.detach().clone(), run.Bias.detach().clone());

        double.IsFinite(run.Optimizer.clip_grad_norm_(1)).Should().BeFalse();
        run.Optimizer.step();

        run.Weight.detach().eq(weight).all().ToBoolean().Should().BeTrue();
        run.Bias.detach().eq(bias).all().ToBoolean().Should().BeTrue();
        run.Optimizer.NonFiniteGradients.Should().Be(2);
    }

    [Fact]
    public void Frozen_parameter_does_not_count()
    {
        using var scope = NewDisposeScope();
        using var run = new Run();
        run.Sum(1);
        run.Weight.requires_grad = false;

        run.Optimizer.clip_grad_norm_(100).Should().BeApproximately(run.Bias.grad!.norm().ToDouble(), 1e-9);
    }

    [Fact]
    public void Clipping_by_torch_after_accumulation_is_refused_before_the_step()
    {
        using var scope = NewDisposeScope();
        using var run = new Run();
        run.UpTo(2);
        run.Accumulate(2);
        nn.utils.clip_grad_norm_([run.Weight, run.Bias], 0.01);
        var before = run.Weight.detach().clone();

        foreach (var call in new Action[] { () => run.Optimizer.step(), () => run.Optimizer.clip_grad_norm_(1), () => run.Optimizer.step() })
            call.Should().Throw<InvalidOperationException>().WithMessage("*clip_grad_norm_*optimizer.clip_grad_norm_(max_norm)*Nothing was changed*");
        run.Weight.detach().eq(before).all().ToBoolean().Should().BeTrue();

        run.Optimizer.zero_grad();
        run.Sum(2);
        run.Optimizer.step();
        run.Weight.detach().eq(before).all().ToBoolean().Should().BeFalse();
    }

    [Fact]
    public void Gradients_divided_by_hand_after_accumulation_are_refused_too()
    {
        using var scope = NewDisposeScope();
        using var run = new Run();
        run.UpTo(2);
        run.Accumulate(2);
        run.Bias.grad!.div_(4);

        var step = () => run.Optimizer.step();

        step.Should().Throw<InvalidOperationException>().WithMessage("*multiplied by 0.25 *");
    }

    [Fact]
    public void Same_batch_once_more_without_accumulation_is_no_scaling()
    {
        using var scope = NewDisposeScope();
        using var run = new Run();
        run.UpTo(2);
        run.Optimizer.zero_grad();
        run.Add(2, 0);
        run.Optimizer.accumulate();
        run.Add(2, 0);

        var step = () => run.Optimizer.step();

        step.Should().NotThrow();
    }

    [Theory]
    [InlineData(0.0)]
    [InlineData(-1.0)]
    [InlineData(double.NaN)]
    public void Largest_norm_must_be_above_zero(double largest)
    {
        using var run = new Run();
        var clip = () => run.Optimizer.clip_grad_norm_(largest);
        clip.Should().Throw<ArgumentOutOfRangeException>();
    }

    private static LowRankOptimizer Make(string method, nn.Module model) => method switch
    {
        "fira" => Fira.AdamW(model.named_parameters(), lr: 0.01, rank: 4),
        "apollo" => Apollo.AdamW(model.named_parameters(), lr: 0.01, rank: 4),
        _ => new LowRankOptimizer(new Flora { Rank = 4 }.Attach(model), lr: 0.01),
    };

    /// <summary>A matrix that is projected, found again in windows 1, 5, ..., and a bias that is not.</summary>
    private sealed class Run : IDisposable
    {
        private const int Parts = 3;

        public Run() => Optimizer = new GaLore { Rank = 2, RefreshEvery = 4 }
            .Attach([("weight", Weight), ("bias", Bias)]).CreateOptimizer(lr: Rate);

        public Parameter Weight { get; } = new(Draw.Normal(6, 9, 7));

        public Parameter Bias { get; } = new(Draw.Normal([6], 8));

        public LowRankOptimizer Optimizer { get; }

        public static Tensor Gradients(int window) => Enumerable.Range(0, Parts).Select(part => Gradient(window, part)).Aggregate((sum, next) => sum + next);

        public void UpTo(int window)
        {
            for (var before = 1; before < window; before++)
            {
                Sum(before);
                Optimizer.step();
            }
        }

        public void Sum(int window)
        {
            Optimizer.zero_grad();
            for (var part = 0; part < Parts; part++)
                Add(window, part);
        }

        public void Accumulate(int window)
        {
            Optimizer.zero_grad();
            for (var part = 0; part < Parts; part++)
            {
                Add(window, part);
                Optimizer.accumulate();
            }
        }

        public void Add(int window, int part)
        {
            Add(Weight, Gradient(window, part));
            Add(Bias, Gradient(window, part).select(1, 0));
        }

        public void Dispose()
        {
            Optimizer.Dispose();
            Weight.Dispose();
            Bias.Dispose();
        }

        private static Tensor Gradient(int window, int part) => Draw.Normal(6, 9, (ulong)(100 * window + part));

        private static void Add(Parameter parameter, Tensor gradient) => parameter.grad = parameter.grad is { } sum ? sum + gradient : gradient.clone();
    }
}
