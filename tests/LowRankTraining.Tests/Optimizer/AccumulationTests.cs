using FluentAssertions;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Optimizer;

/// <summary>Gradients of micro-batches that are added up in the subspace.</summary>
public class AccumulationTests
{
    private const int MicroBatches = 4, Windows = 9;

    /// <summary>Refreshes are due in windows 1, 5 and 9: those keep whole gradients.</summary>
    [Theory]
    [InlineData(ProjectionSide.Left, 0.0, true)]
    [InlineData(ProjectionSide.Left, 0.3, false)]
    [InlineData(ProjectionSide.Right, 0.3, true)]
    [InlineData(ProjectionSide.Both, 0.3, false)]
    public void Micro_batches_add_up_to_the_whole_gradient(ProjectionSide side, double decay, bool takesLast)
    {
        using var scope = NewDisposeScope();
        using var whole = new Run(side, decay);
        using var parts = new Run(side, decay);

        for (var window = 1; window <= Windows; window++)
        {
            whole.Weight.grad = Enumerable.Range(0, MicroBatches).Select(part => Gradient(window, part)).Aggregate((sum, part) => sum + part);
            whole.Optimizer.step();
            var taken = parts.Accumulate(window, MicroBatches, takesLast);
            parts.Optimizer.step();

            taken.Should().Be(window % 4 == 1 ? 0 : takesLast ? MicroBatches : MicroBatches - 1);
        }

        Draw.Error(parts.Weight.detach(), whole.Weight.detach()).Should().BeLessThan(1e-9);
        parts.Optimizer.StateBytes.Should().Be(whole.Optimizer.StateBytes);
    }

    [Fact]
    public void Path_efficiency_sees_the_whole_window()
    {
        using var scope = NewDisposeScope();
        var refresh = new PathEfficiencyRefresh { Least = 0.6, LookEvery = 2 };
        using Run whole = new(ProjectionSide.Left, 0, refresh), parts = new(ProjectionSide.Left, 0, refresh);

        for (var window = 1; window <= Windows; window++)
        {
            whole.Weight.grad = Enumerable.Range(0, MicroBatches).Select(part => Gradient(window, part)).Aggregate((sum, part) => sum + part);
            whole.Optimizer.step();
            parts.Window(window);
        }

        whole.Optimizer.Refreshes.Should().BeGreaterThan(1);
        parts.Optimizer.Refreshes.Should().Be(whole.Optimizer.Refreshes);
        Draw.Error(parts.Weight.detach(), whole.Weight.detach()).Should().BeLessThan(1e-9);
    }

    [Fact]
    public void While_the_subspace_stays_the_gradient_is_freed_and_its_projection_kept()
    {
        using var scope = NewDisposeScope();
        using var run = Run.AfterOneWindow();

        run.Accumulate(2, 1, takesLast: true);

        run.Weight.grad.Should().BeNull();
        var state = run.Optimizer.StateOf(run.Weight);
        Draw.Error(state["accumulated"], state["basis"].t().mm(Gradient(2, 0))).Should().BeLessThan(1e-12);
    }

    [Theory]
    [InlineData(0.0)]
    [InlineData(0.3)]
    public void Broken_micro_batch_spoils_its_window_only(double decay)
    {
        using var scope = NewDisposeScope();
        using var broken = new Run(ProjectionSide.Left, decay);
        using var without = new Run(ProjectionSide.Left, decay);
        foreach (var run in new[] { broken, without })
            run.Window(1);
        var before = broken.Weight.detach().clone();

        broken.Accumulate(2, 2, takesLast: true);
        broken.Weight.grad = Gradient(2, 2).mul(double.NaN);
        broken.Optimizer.accumulate();
        broken.Weight.grad = Gradient(2, 3);
        broken.Optimizer.accumulate();
        broken.Optimizer.step();

        broken.Weight.detach().allclose(before, 0, 0).Should().BeTrue();
        broken.Optimizer.NonFiniteGradients.Should().Be(1);
        broken.Optimizer.SkippedUpdates.Should().Be(1);
        without.Optimizer.zero_grad();
        without.Optimizer.step();
        foreach (var run in new[] { broken, without })
            run.Window(3);
        broken.Weight.detach().allclose(without.Weight.detach(), 0, 0).Should().BeTrue();
    }

    [Fact]
    public void Zeroing_gradients_drops_what_was_accumulated()
    {
        using var scope = NewDisposeScope();
        using var run = Run.AfterOneWindow();
        var before = run.Weight.detach().clone();

        run.Accumulate(2, 3, takesLast: true);
        run.Optimizer.zero_grad();
        run.Optimizer.step();

        run.Optimizer.StateOf(run.Weight).TryGet("accumulated", out _).Should().BeFalse();
        run.Weight.detach().allclose(before, 0, 0).Should().BeTrue();
    }

    [Fact]
    public void Run_that_is_saved_in_the_middle_of_a_window_goes_on_bit_by_bit()
    {
        using var scope = NewDisposeScope();
        using var run = Run.AfterOneWindow();
        run.Accumulate(2, 2, takesLast: true);
        using var saved = new MemoryStream();
        run.Optimizer.save_state_dict(new BinaryWriter(saved));
        using var resumed = new Run(ProjectionSide.Left, 0.3);
        resumed.Optimizer.load_state_dict(new BinaryReader(new MemoryStream(saved.ToArray())));
        using (no_grad())
            resumed.Weight.copy_(run.Weight);

        foreach (var each in new[] { run, resumed })
        {
            each.Accumulate(2, MicroBatches, takesLast: false, first: 2);
            each.Optimizer.step();
            for (var window = 3; window <= 6; window++)
                each.Window(window);
        }

        resumed.Weight.detach().allclose(run.Weight.detach(), 0, 0).Should().BeTrue();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Gradients_that_stay_where_they_are_survive_within_a_window_too(int window)
    {
        using var scope = NewDisposeScope();
        using MixedRun run = new(), resumed = new();
        for (var before = 1; before < window; before++)
            run.Parts(before, 0, MicroBatches).step();

        run.Parts(window, 0, 2);
        using var saved = new MemoryStream();
        run.Optimizer.save_state_dict(new BinaryWriter(saved));
        resumed.Optimizer.load_state_dict(new BinaryReader(new MemoryStream(saved.ToArray())));
        resumed.TakeWeightsOf(run);

        foreach (var each in new[] { run, resumed })
        {
            each.Parts(window, 2, MicroBatches).step();
            each.Parts(window + 1, 0, MicroBatches).step();
        }

        resumed.Optimizer.StateOf(resumed.Bias).TryGet("pending_gradient", out _).Should().BeFalse();
        resumed.Bias.detach().eq(run.Bias.detach()).all().ToBoolean().Should().BeTrue();
        resumed.Weight.detach().eq(run.Weight.detach()).all().ToBoolean().Should().BeTrue();
    }

    [Fact]
    public void Parameters_that_are_not_projected_keep_their_whole_gradient()
    {
        using var scope = NewDisposeScope();
        using Parameter weight = new(zeros(6, 9)), bias = new(zeros(6));
        using var optimizer = new GaLore { Rank = 2 }.Attach([("weight", weight), ("bias", bias)]).CreateOptimizer();
        LowRankOptimizerTests.Step(optimizer, weight, bias);

        optimizer.accumulate().Should().Be(1);

        weight.grad.Should().BeNull();
        bias.grad.Should().NotBeNull();
    }

    [Fact]
    public void Method_that_needs_whole_gradients_takes_none()
    {
        using var scope = NewDisposeScope();
        using var weight = new Parameter(zeros(6, 9));
        using var optimizer = Fira.AdamW([("weight", weight)], rank: 2);
        LowRankOptimizerTests.Step(optimizer, weight);

        optimizer.accumulate().Should().Be(0);

        weight.grad.Should().NotBeNull();
    }

    private static Tensor Gradient(int window, int part) => Draw.Normal(6, 9, (ulong)(100 * window + part));

    /// <summary>A matrix that is projected and a bias that is not.</summary>
    private sealed class MixedRun : IDisposable
    {
        public MixedRun() => Optimizer = new GaLore { Rank = 2, RefreshEvery = 4 }.Attach([("weight", Weight), ("bias", Bias)]).CreateOptimizer(lr: 0.05);

        public Parameter Weight { get; } = new(Draw.Normal(6, 9, 7));

        public Parameter Bias { get; } = new(Draw.Normal([6], 8));

        public LowRankOptimizer Optimizer { get; }

        public LowRankOptimizer Parts(int window, int first, int until)
        {
            if (first == 0)
                Optimizer.zero_grad();
            for (var part = first; part < until; part++)
            {
                foreach (var parameter in new[] { Weight, Bias })
                {
                    var gradient = Gradient(window, part).narrow(1, 0, parameter.dim() == 1 ? 1 : 9).reshape(parameter.shape);
                    parameter.grad = parameter.grad is { } sum ? sum + gradient : gradient;
                }

                Optimizer.accumulate();
            }

            return Optimizer;
        }

        public void TakeWeightsOf(MixedRun other)
        {
            using var guard = no_grad();
            Weight.copy_(other.Weight);
            Bias.copy_(other.Bias);
        }

        public void Dispose()
        {
            Optimizer.Dispose();
            Weight.Dispose();
            Bias.Dispose();
        }
    }

    private sealed class Run : IDisposable
    {
        public Run(ProjectionSide side, double decay, IRefreshPolicy? refresh = null)
        {
            Weight = new Parameter(Draw.Normal(6, 9, 7));
            var options = new GaLore { Rank = 2, Refresh = refresh ?? new PeriodicRefresh { Every = 4 }, Side = side, Scale = 1, AccumulatesInSubspace = true };
            Optimizer = options.Attach([("weight", Weight)]).CreateOptimizer(lr: 0.05, weight_decay: decay);
        }

        public Parameter Weight { get; }

        public LowRankOptimizer Optimizer { get; }

        public static Run AfterOneWindow()
        {
            var run = new Run(ProjectionSide.Left, 0.3);
            run.Window(1);
            return run;
        }

        public void Window(int window)
        {
            Accumulate(window, MicroBatches, takesLast: true);
            Optimizer.step();
        }

        /// <summary>What backward passes would do, with <c>accumulate</c> after each, or after each but the last.</summary>
        public int Accumulate(int window, int until, bool takesLast, int first = 0)
        {
            var taken = 0;
            if (first == 0)
                Optimizer.zero_grad();
            for (var part = first; part < until; part++)
            {
                Weight.grad = Weight.grad is { } sum ? sum + Gradient(window, part) : Gradient(window, part);
                if (takesLast || part < until - 1)
                    taken += Optimizer.accumulate();
            }

            return taken;
        }

        public void Dispose()
        {
            Optimizer.Dispose();
            Weight.Dispose();
        }
    }
}
