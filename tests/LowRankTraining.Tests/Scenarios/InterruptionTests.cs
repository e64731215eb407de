using FluentAssertions;
using LowRankTraining.Layers;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using LowRankTraining.Text;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Scenarios;

/// <summary>What runs of drawn methods and scripts have brought to light, each by itself.</summary>
public class InterruptionTests
{
    /// <summary>Passes that have been run with dropout, averages of inputs, gradients of factors whose number has changed: no rule has it in its
    /// state.</summary>
    [Theory]
    [InlineData("""{ "Method": "lora", "Rank": 4, "Dropout": 0.3 }""")]
    [InlineData("""{ "Method": "dora", "Rank": 4, "Dropout": 0.3 }""")]
    [InlineData("""{ "Method": "prilora", "FirstRank": 2, "Rank": 4, "PruneEvery": 1 }""")]
    [InlineData("""{ "Method": "inrank", "Rank": 1, "Buffer": 1, "MaxRankRatio": 1, "WarmupSteps": 0, "CheckEvery": 1, "StableChecks": 9 }""")]
    [InlineData("""{ "Method": "lora", "Rank": 4, "RankSchedule": { "Kind": "linear", "To": 0.5, "Start": 1, "End": 3, "Every": 1 } }""")]
    public void Run_that_is_saved_between_two_micro_batches_goes_on_bit_for_bit(string text) =>
        RequireEqual(LowRankStrategies.Parse(text), Script(withinWindow: true));

    /// <summary>A single column is contiguous whatever its strides are, and products of it round by them.</summary>
    [Theory]
    [InlineData("""{ "Method": "gradnormlorp", "Compatibility": "ReferenceCode", "Rank": 1, "RefreshEvery": 2 }""")]
    [InlineData("""{ "Method": "galore", "Basis": "exact-svd", "Rank": 1, "RefreshEvery": 2 }""")]
    public void Run_in_a_subspace_of_one_dimension_goes_on_bit_for_bit(string text) =>
        RequireEqual(LowRankStrategies.Parse(text), Script(withinWindow: false));

    /// <summary>Overlaps of bases, and whatever else is between a gradient and its moments, have the precision of the weight.</summary>
    [Fact]
    public void Run_in_float64_goes_on_bit_for_bit_with_any_basis_and_whatever_becomes_of_its_moments()
    {
        foreach (var basis in Kinds.For(typeof(IBasis)).Where(kind => kind.Prototype is not null && kind.Type.Assembly == typeof(IBasis).Assembly))
            foreach (var carryOver in Kinds.For(typeof(MomentCarryOver)))
            {
                var method = new GaLore { Rank = 3, RefreshEvery = 2, Basis = (IBasis)basis.Default(), OnRefresh = (MomentCarryOver)carryOver.Default() };
                if (Checks.Of(method).Count == 0)
                    RequireEqual(method, Script(withinWindow: false) with { Dtype = ScalarType.Float64 });
            }
    }

    [Fact]
    public void State_keeps_a_single_column_row_by_row()
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        state.Set("basis", Draw.Normal(5, 7, 1).t().narrow(1, 0, 1).t().contiguous().t());

        state["basis"].stride().Should().Equal(1, 1);
    }

    /// <summary>Two micro-batches have gradients that are nearly the same: the second is no clipping of the first.</summary>
    [Fact]
    public void Micro_batch_like_the_last_one_is_not_taken_for_a_scaled_gradient()
    {
        using var scope = NewDisposeScope();
        using var model = nn.Sequential(("first", nn.Linear(6, 5)), ("norm", nn.LayerNorm(5)));
        using var optimizer = new GaLore { Rank = 2 }.Attach(model, Targets.Matching("first.weight"), GradientFlow.Projected).CreateOptimizer();
        Step();

        for (var batch = 0; batch < 3; batch++)
        {
            model.call(ones(4, 6)).square().sum().backward();
            optimizer.Invoking(one => one.accumulate()).Should().NotThrow();
        }

        optimizer.Invoking(one => one.step()).Should().NotThrow();

        void Step()
        {
            model.call(ones(4, 6)).square().sum().backward();
            optimizer.step();
            optimizer.zero_grad();
        }
    }

    /// <summary>Its weights get the gradients for the start, and its factors would never be run.</summary>
    [Fact]
    public void Model_that_passes_hooks_by_is_refused_when_its_factors_have_started_from_gradients()
    {
        using var scope = NewDisposeScope();
        using var model = new Typed();
        var session = new LoRA { Rank = 2, Init = FactorInit.LoRAGA }.Attach(model);
        session.Initialize(Backward);
        using var optimizer = session.CreateOptimizer();

        FluentActions.Invoking(Backward).Should().NotThrow();
        optimizer.Invoking(one => one.step()).Should().Throw<InvalidOperationException>().WithMessage("*has not run*call layer.call*Nothing was changed*");

        void Backward() => model.call(Draw.Normal([8, 24], 1).to(ScalarType.Float32)).square().sum().backward();
    }

    [Fact]
    public void Gradients_that_are_unscaled_are_not_saved_as_if_they_were_not()
    {
        using var folder = new TemporaryDirectory();
        using var model = nn.Linear(6, 5);
        using var optimizer = new GaLore { Rank = 2 }.Attach(model).CreateOptimizer();
        var scaler = new LossScaler(init_scale: 8);
        scaler.scale(model.call(ones(4, 6)).square().sum()).backward();
        var path = Path.Combine(folder.Path, "state");
        optimizer.save_state_dict(path);
        scaler.unscale_(optimizer);

        optimizer.Invoking(one => one.save_state_dict(path)).Should().Throw<InvalidOperationException>().WithMessage("*unscaled*call LossScaler.step*");
        optimizer.load_state_dict(path);
        scaler.Invoking(one => one.unscale_(optimizer)).Should().NotThrow("another run is there now, and nothing of it is divided");
    }

    [Theory, InlineData("lora"), InlineData("dora"), InlineData("switchlora")]
    public void What_a_micro_batch_drops_does_not_depend_on_the_process_that_has_it(string name)
    {
        var method = LowRankStrategies.Parse($$"""{ "Method": "{{name}}", "Rank": 4, "Dropout": 0.5 }""");

        RandomRun.InProcesses(2, method, Script(withinWindow: false), isInterrupted: true).Should()
            .Equal(RandomRun.InProcesses(1, method, Script(withinWindow: false), isInterrupted: false));
    }

    /// <summary>What PRILoRA has seen of the inputs is settled by every process, also for a step that is not taken.</summary>
    [Fact]
    public void Step_that_is_left_out_is_the_end_of_what_was_seen_for_it()
    {
        var script = Script(withinWindow: false);
        var steps = script.Steps.Select((step, number) => number == script.Interrupted ? step with { Factor = double.NaN } : step);
        var broken = script with { ScalesLoss = true, Steps = [.. steps] };
        var method = new PriLoRA { FirstRank = 2, Rank = 4, PruneEvery = 1 };

        RandomRun.InProcesses(2, method, broken, isInterrupted: true).Should().Equal(RandomRun.InProcesses(1, method, broken, isInterrupted: false));
    }

    private static RandomScript Script(bool withinWindow) => new()
    {
        Dtype = ScalarType.Float32,
        Flow = GradientFlow.Whole,
        WeightDecay = 0,
        ScalesLoss = false,
        Steps = [.. Enumerable.Repeat(new RandomScript.Step(withinWindow ? 3 : 1, withinWindow, null, 1, null), 6)],
        Interrupted = 2,
        WithinWindow = withinWindow,
    };

    private static void RequireEqual(ILowRankStrategy method, RandomScript script)
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryDirectory();
        using var whole = new RandomRun(method, script, folder.Path);
        using var interrupted = new RandomRun(method, script, folder.Path);
        whole.Train(isInterrupted: false);
        interrupted.Train(isInterrupted: true);

        interrupted.Bits.Should().Equal(whole.Bits);
    }
}
