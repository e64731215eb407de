using System.Diagnostics.Metrics;
using FluentAssertions;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Diagnostics;

/// <summary>What the meter says is what has happened. Other tests train at the same time: each of these looks at measurements with a method name of its
/// own.</summary>
public class InstrumentsTests
{
    [Fact]
    public void Refreshes_are_counted_timed_and_measured()
    {
        using var heard = new Heard("test.refreshes");
        Train(Recipe.Of("test.refreshes", new SubspaceRule { Rank = 2, RefreshEvery = 2, Basis = new ExactSvdBasis() }), 4, out var gradients);

        heard.Values("lowranktraining.steps").Should().Equal(1, 1, 1, 1);
        heard.Values("lowranktraining.refreshes").Should().Equal(1, 1);
        heard.Values("lowranktraining.refresh.duration").Should().HaveCount(2).And.OnlyContain(seconds => seconds > 0 && seconds < 60);

        // The exact subspace of rank 2 holds the two largest singular values.
        var spectra = new[] { 0, 2 }.Select(step => Squares(gradients[step])).ToArray();
        Near(heard.Values("lowranktraining.subspace.captured_energy"), spectra.Select(squares => (squares[0] + squares[1]) / squares.Sum()));
        Near(heard.Values("lowranktraining.subspace.effective_rank"), spectra.Select(squares =>
        {
            var shares = squares.Take(2).Select(Math.Sqrt).ToArray();
            return Math.Exp(-shares.Sum(sigma => sigma / shares.Sum() * Math.Log(sigma / shares.Sum())));
        }));
        Near(heard.Values("lowranktraining.subspace.overlap"), [Overlap(Leading(gradients[0]), Leading(gradients[2]))]);
    }

    /// <summary>A subspace is found in the backward pass, or for the norm: also after a step of another method on the same thread.</summary>
    [Theory]
    [InlineData(GradientFlow.Projected, "test.backward")]
    [InlineData(GradientFlow.Whole, "test.clipping")]
    public void What_is_found_before_the_step_is_the_methods_own(GradientFlow flow, string name)
    {
        using var scope = NewDisposeScope();
        using var heard = new Heard(name);
        using var model = nn.Sequential(nn.Linear(6, 4, hasBias: false));
        using var optimizer = Recipe.Of(name, new SubspaceRule { Rank = 2 }).Attach(model, gradients: flow).CreateOptimizer();
        LowRankTraining.Instruments.Enter("test.another");

        model.call(randn(3, 6)).square().sum().backward();
        optimizer.clip_grad_norm_(1);

        heard.Values("lowranktraining.refreshes").Should().Equal(1);
        heard.Values("lowranktraining.refresh.duration").Should().HaveCount(1);
    }

    [Fact]
    public void Nothing_is_computed_that_nobody_listens_to()
    {
        var (unheard, weight) = Tensors();
        using (new Heard("test.unheard", "lowranktraining.steps"))
            Tensors().Made.Should().Be(unheard);
        using (new Heard("test.unheard"))
        {
            var (heard, same) = Tensors();
            heard.Should().BeGreaterThan(unheard);
            same.Should().Equal(weight, "to measure changes nothing");
        }

        static (long Made, float[] Weight) Tensors()
        {
            manual_seed(1);
            var statistics = DisposeScopeManager.Statistics.TensorStatistics;
            var before = statistics.CreatedInScopeCount + statistics.CreatedOutsideScopeCount;
            var weight = Train(Recipe.Of("test.unheard", new SubspaceRule
            {
                Rank = 2,
                RefreshEvery = 2,
                Basis = new ExactSvdBasis(),
                Guard = new SpikeGuard(),
                Lift = new ScaledResidual { Limiter = new NormGrowthLimiter() },
            }), 6, out _);
            return (statistics.CreatedInScopeCount + statistics.CreatedOutsideScopeCount - before, weight);
        }
    }

    [Fact]
    public void Skipped_updates_say_why()
    {
        using var heard = new Heard("test.skipped");
        using var model = nn.Linear(6, 4, hasBias: false);
        using var optimizer = Recipe.Of("test.skipped", new SubspaceRule { Rank = 2 }).Attach(model).CreateOptimizer();
        foreach (var value in new[] { 0, double.NaN, double.PositiveInfinity, 1 })
        {
            model.weight!.grad = full_like(model.weight, value);
            optimizer.step();
        }

        heard.Values("lowranktraining.updates.skipped").Should().Equal(1, 1, 1);
        heard.Tags("lowranktraining.reason").Should().Equal("zero", "non_finite", "non_finite");
    }

    [Fact]
    public void Limiter_that_shortens_is_counted()
    {
        using var heard = new Heard("test.limited");
        using var model = nn.Linear(6, 4, hasBias: false);
        using var optimizer = Recipe.Of("test.limited", new SubspaceRule { Rank = 2, Lift = new ScaledResidual { Limiter = new NormGrowthLimiter() } })
            .Attach(model).CreateOptimizer();
        foreach (var rest in new[] { 1e-3, 1 })
        {
            // At first nearly all of the gradient lies in the subspace, then much of it outside.
            model.weight!.grad = ones(4, 6) + rest * Draw.Normal([4, 6], 1).to(ScalarType.Float32);
            optimizer.step();
        }

        heard.Values("lowranktraining.limiter.activations").Should().Equal(1);
    }

    [Fact]
    public void Entries_cut_by_a_guard_are_counted()
    {
        using var heard = new Heard("test.spikes");
        using var model = nn.Linear(6, 4, hasBias: false);
        using var optimizer = Recipe.Of("test.spikes", new GuardedRule(new AdamRule(), new SpikeGuard { ClipStart = 0, Threshold = 50 })).Attach(model)
            .CreateOptimizer();
        foreach (var spikes in new[] { 0, 0, 3 })
        {
            var gradient = ones(4, 6);
            gradient.flatten().narrow(0, 0, spikes).fill_(1e4);
            model.weight!.grad = gradient;
            optimizer.step();
        }

        heard.Values("lowranktraining.spikes").Should().Equal(3);
    }

    [Fact]
    public void Merged_factors_are_counted()
    {
        using var heard = new Heard("relora");
        using var model = nn.Sequential(nn.Linear(6, 4), nn.Linear(4, 4));
        using var optimizer = new ReLoRA { Rank = 2, MergeEvery = 2 }.Attach(model).CreateOptimizer();
        for (var step = 0; step < 4; step++)
        {
            optimizer.zero_grad();
            model.call(ones(2, 6)).square().sum().backward();
            optimizer.step();
        }

        heard.Values("lowranktraining.merges").Sum().Should()
            .BeGreaterThanOrEqualTo(4, "two layers are merged twice, and other tests may merge at the same time");
    }

    [Fact]
    public void Factors_that_are_merged_at_the_end_are_counted_as_the_methods_own()
    {
        using var heard = new Heard("switchlora");
        using var model = nn.Sequential(nn.Linear(6, 4), nn.Linear(4, 4));
        using var session = new SwitchLoRA { Rank = 2 }.Attach(model);
        LowRankTraining.Instruments.Enter("test.another");

        session.Finish();

        heard.Values("lowranktraining.merges").Sum().Should().BeGreaterThanOrEqualTo(2, "other tests may merge at the same time");
    }

    [Fact]
    public void State_is_what_the_optimizer_says_until_it_is_disposed()
    {
        using var heard = new Heard("test.state");
        using var model = nn.Linear(6, 4, hasBias: false);
        using (var optimizer = Recipe.Of("test.state", new AdamRule()).Attach(model).CreateOptimizer())
        {
            model.weight!.grad = ones(4, 6);
            optimizer.step();
            heard.Ask();
            heard.Values("lowranktraining.state.size").Should().Equal(optimizer.StateBytes).And.Equal(2 * 4 * 24);
        }

        heard.Forget();
        heard.Ask();
        heard.Values("lowranktraining.state.size").Should().BeEmpty();
    }

    [Fact]
    public void Units_and_names_are_OpenTelemetrys()
    {
        using var heard = new Heard("none");
        heard.Instruments.Should().HaveCount(11).And.OnlyContain(instrument =>
            instrument.Name.StartsWith("lowranktraining.") && !instrument.Name.Any(char.IsUpper) && !string.IsNullOrEmpty(instrument.Description)
            && (instrument.Unit == "s" || instrument.Unit == "By" || instrument.Unit == "1" || instrument.Unit!.StartsWith('{')));
        LowRankOptimizer.MeterName.Should().Be("LowRankTraining");
    }

    private static void Near(IReadOnlyList<double> actual, IEnumerable<double> expected) =>
        actual.Zip(expected).Should().HaveCount(actual.Count).And.OnlyContain(pair => Math.Abs(pair.First - pair.Second) < 1e-3).And.NotBeEmpty();

    private static double[] Squares(Tensor gradient) => [.. linalg.svdvals(gradient.to(ScalarType.Float64)).square().data<double>()];

    private static Tensor Leading(Tensor gradient) => linalg.svd(gradient.to(ScalarType.Float64)).U.narrow(1, 0, 2);

    private static double Overlap(Tensor old, Tensor fresh) => old.t().mm(fresh).square().sum().ToDouble() / 2;

    /// <returns>The weight at the end.</returns>
    private static float[] Train(Recipe method, int steps, out List<Tensor> gradients)
    {
        gradients = [];
        using var model = nn.Linear(6, 4, hasBias: false);
        using var optimizer = method.Attach(model).CreateOptimizer(lr: 1e-3);
        for (ulong step = 0; step < (ulong)steps; step++)
        {
            gradients.Add(Draw.Normal([4, 6], step + 1).to(ScalarType.Float32));
            model.weight!.grad = gradients[^1].clone();
            optimizer.step();
        }

        return model.weight!.data<float>().ToArray();
    }

    /// <summary>A listener to everything that one method says, or to one instrument.</summary>
    private sealed class Heard : IDisposable
    {
        private readonly string _method;
        private readonly MeterListener _listener = new();
        private readonly List<(string Instrument, double Value, KeyValuePair<string, object?>[] Tags)> _all = [];

        public Heard(string method, string? only = null)
        {
            _method = method;
            LowRankTraining.Instruments.Enter(method);
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name != "LowRankTraining" || instrument.Name != (only ?? instrument.Name))
                    return;
                Instruments.Add(instrument);
                listener.EnableMeasurementEvents(instrument);
            };
            _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Hear(instrument, value, tags));
            _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Hear(instrument, value, tags));
            _listener.Start();
        }

        public List<Instrument> Instruments { get; } = [];

        public void Ask() => _listener.RecordObservableInstruments();

        public void Forget()
        {
            lock (_all)
                _all.Clear();
        }

        public IReadOnlyList<double> Values(string instrument)
        {
            lock (_all)
                return [.. _all.Where(heard => heard.Instrument == instrument).Select(heard => heard.Value)];
        }

        public IReadOnlyList<object?> Tags(string name)
        {
            lock (_all)
                return [.. _all.SelectMany(heard => heard.Tags).Where(tag => tag.Key == name).Select(tag => tag.Value)];
        }

        public void Dispose() => _listener.Dispose();

        private void Hear(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            if (!tags.ToArray().Contains(new("lowranktraining.method", _method)))
                return;
            lock (_all)
                _all.Add((instrument.Name, value, tags.ToArray()));
        }
    }
}
