using FluentAssertions;
using LowRankTraining.Checkpoints;
using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Adapters;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Strategies;

public sealed class QuantizedBaseTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("lowrank-").FullName;

    [Theory]
    [InlineData(BaseFormat.NF4, 5)]
    [InlineData(BaseFormat.Blockwise8Bit, 0.3)]
    public void Attaching_changes_the_function_by_the_quantization_only(BaseFormat format, double percent)
    {
        using var model = Seeded(new OpenNetwork());
        var expected = Output(model);

        using var session = Strategy(format).Attach(model);

        Distance(Output(model), expected).Should().BeInRange(1e-5, percent * 0.1);
    }

    [Theory]
    [InlineData(BaseFormat.NF4, ScalarType.Float32, 1e-5)]
    [InlineData(BaseFormat.NF4, ScalarType.BFloat16, 0.05)]
    [InlineData(BaseFormat.Blockwise8Bit, ScalarType.Float32, 1e-5)]
    public void Finishing_gives_back_the_plain_model_that_computes_the_same(BaseFormat format, ScalarType dtype, double tolerance)
    {
        using var model = Seeded(new OpenNetwork(dtype));
        var names = model.state_dict().Keys.ToArray();
        var shapes = model.parameters().Select(parameter => parameter.shape).ToArray();
        using var optimizer = Strategy(format).Attach(model).CreateOptimizer(0.01);
        model.state_dict().Keys.Should().Contain("first.weight_codes").And.NotContain("first.weight");
        Run(model, optimizer, 5);
        var expected = Output(model);

        optimizer.Session.Finish();

        model.state_dict().Keys.Should().Equal(names);
        model.parameters().Select(parameter => parameter.shape).Should().BeEquivalentTo(shapes, options => options.WithStrictOrdering());
        model.parameters().Should().OnlyContain(parameter => parameter.dtype == dtype && parameter.requires_grad);
        model.named_children().First().module.Should().BeOfType<Linear>();
        Distance(Output(model), expected).Should().BeLessThan(tolerance);
    }

    [Fact]
    public void Factors_that_start_from_the_weight_spare_it_the_rounding_of_its_leading_part()
    {
        using var plain = Seeded(new OpenNetwork());
        using var principal = Seeded(new OpenNetwork());
        var expected = Output(plain);

        using var rounded = new LoRA { Rank = 8, Base = BaseFormat.NF4 }.Attach(plain);
        using var spared = new LoRA { Rank = 8, Base = BaseFormat.NF4, Init = FactorInit.PiSSA }.Attach(principal);

        Distance(Output(principal), expected).Should().BeLessThan(0.7 * Distance(Output(plain), expected));
        spared.Finish();
        Distance(Output(principal), expected).Should().BePositive();
    }

    [Fact]
    public void Model_that_is_not_finished_keeps_its_layers_when_the_session_is_disposed()
    {
        using var model = Seeded(new OpenNetwork());
        var session = Strategy(BaseFormat.NF4).Attach(model);
        var before = Output(model);

        session.Dispose();

        Output(model).Should().Equal(before);
    }

    [Fact]
    public void What_a_quantized_base_cannot_do_is_said_before_anything_is_changed()
    {
        using var model = Seeded(new OpenNetwork());
        FluentActions.Invoking(() => Checks.Require(new LoRA { Base = BaseFormat.NF4, Init = FactorInit.LoRAGA })).Should().Throw<OptionsValidationException>()
            .WithMessage("*LoRAGA*PiSSA*");

        using var session = new LoRA { Rank = 4, Base = BaseFormat.NF4 }.Attach(model);
        var before = Output(model);
        session.Invoking(quantized => quantized.Merge()).Should().Throw<NotSupportedException>().WithMessage("*cannot be merged temporarily*Finish()*");
        session.IsMerged.Should().BeFalse();
        Output(model).Should().Equal(before);
    }

    [Fact]
    public void Plain_layer_holds_no_weight_meanwhile_and_the_plan_counts_the_quantized_one()
    {
        using var model = Seeded(new OpenNetwork());
        var weight = (Parameter)model.get_parameter("first.weight")!;
        using var session = (Strategy(BaseFormat.NF4) with { TrainOthers = true }).Attach(model);

        weight.NumberOfElements.Should().Be(0);
        session.FrozenBytes.Should().Be(16 * 12 / 2 + 4 * 3 + 16 * 16 / 2 + 4 * 4);
        MemoryPlan.For(session).FrozenBytes.Should().Be(session.FrozenBytes);
        MemoryPlan.For(session).ToString().Should().Contain("frozen");
    }

    [Fact]
    public void Plan_counts_dense_frozen_weights_too()
    {
        using var model = new OpenNetwork();
        using var session = new LoRA { TrainOthers = false }.Attach(model);

        MemoryPlan.For(session).FrozenBytes.Should().Be(4 * (16 * 12 + 16 + 2 * 16 + 16 * 16 + 6 * 16 + 6));
    }

    [Theory]
    [InlineData(MergeRounding.Stochastic)]
    [InlineData(MergeRounding.CarryResidual)]
    [InlineData(MergeRounding.Nearest)]
    public void Every_rounding_learns_across_merges(MergeRounding rounding)
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer = new ReLoRA { Rank = 4, Alpha = 4, MergeEvery = 25, Base = BaseFormat.NF4, Rounding = rounding }.Attach(model)
            .CreateOptimizer(0.02);
        var (input, target) = (Normal(1, ScalarType.Float32, 40, 12), Normal(2, ScalarType.Float32, 40, 6));

        var losses = Enumerable.Range(0, 110).Select(_ =>
        {
            using var scope = NewDisposeScope();
            optimizer.zero_grad();
            var loss = (model.call(input) - target).square().mean();
            loss.backward();
            optimizer.step();
            return loss.ToDouble();
        }).ToArray();

        losses[^1].Should().BeLessThan(losses[0] / 2);
    }

    [Fact]
    public void Carried_residual_keeps_the_function_where_the_rank_is_the_whole()
    {
        using var model = Seeded(new OpenNetwork());
        var before = Output(model);
        using var optimizer = new ReLoRA { Rank = 16, Alpha = 16, MergeEvery = 3, Base = BaseFormat.NF4, Rounding = MergeRounding.CarryResidual }.Attach(model)
            .CreateOptimizer(0.01);
        Distance(Output(model), before).Should().BeLessThan(1e-5, "the factors start from what quantizing has lost");
        Run(model, optimizer, 2);
        var twin = AfterThreeStepsWithoutMerge();

        Step(model, optimizer);

        Layer(model).lora_B.abs().max().ToDouble().Should().BePositive();
        Distance(Output(model), twin).Should().BeLessThan(1e-5);

        static double[] AfterThreeStepsWithoutMerge()
        {
            using var model = Seeded(new OpenNetwork());
            using var optimizer =
                new ReLoRA { Rank = 16, Alpha = 16, MergeEvery = 99, Base = BaseFormat.NF4, Rounding = MergeRounding.CarryResidual }.Attach(model)
                    .CreateOptimizer(0.01);
            Run(model, optimizer, 3);
            return Output(model);
        }
    }

    [Fact]
    public void Carried_residual_loses_less_than_rounding_where_the_rank_is_lower()
    {
        LossOf(MergeRounding.CarryResidual).Should().BeLessThan(LossOf(MergeRounding.Nearest) * 0.9);

        static double LossOf(MergeRounding rounding)
        {
            using var model = Seeded(new OpenNetwork(hidden: 64));
            var weight = model.get_parameter("second.weight")!;
            var exact = Values(weight);
            using var optimizer = new ReLoRA { Rank = 16, Alpha = 8, Base = BaseFormat.NF4, Rounding = rounding }.Attach(model).CreateOptimizer();
            optimizer.Session.Finish();
            return Values(weight).Zip(exact, (now, then) => (now - then) * (now - then)).Sum();
        }
    }

    [Theory]
    [InlineData(MergeRounding.Stochastic, 0.95, 1.05)]
    [InlineData(MergeRounding.Nearest, 0, 0.9)]
    public void Merge_into_bfloat16_keeps_a_small_change_in_expectation_or_loses_a_part(MergeRounding rounding, double least, double most)
    {
        var shares = Enumerable.Range(0, 4).Select(seed => MergedShare(rounding, (ulong)seed)).Average();

        shares.Should().BeInRange(least, most);
    }

    [Fact]
    public void Carried_residual_completes_a_nearest_merge_into_bfloat16() =>
        MergedShare(MergeRounding.CarryResidual, 0, rank: 64).Should().BeInRange(0.95, 1.05);

    [Theory]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(9)]
    public void Run_with_a_warm_start_goes_on_bit_by_bit_from_a_checkpoint(int savedAfter)
    {
        var strategy = new ReLoRA { Rank = 4, MergeEvery = 5, WarmStartSteps = 4, Base = BaseFormat.NF4 };
        using var whole = Seeded(new OpenNetwork());
        using var optimizer = strategy.Attach(whole).CreateOptimizer(0.01);
        Run(whole, optimizer, savedAfter);
        TrainingCheckpoint.Save(_directory, whole, optimizer);
        Run(whole, optimizer, 12 - savedAfter);

        using var resumed = Seeded(new OpenNetwork(), 99);
        using var resumedOptimizer = strategy.Attach(resumed).CreateOptimizer(0.5);
        Run(resumed, resumedOptimizer, 6);
        TrainingCheckpoint.Load(_directory, resumed, resumedOptimizer);
        Run(resumed, resumedOptimizer, 12 - savedAfter);

        foreach (var (name, tensor) in whole.state_dict())
            Values(resumed.state_dict()[name]).Should().Equal(Values(tensor), "of {0}", name);
    }

    [Fact]
    public void Warm_start_trains_the_dense_weight_and_quantizes_it_at_its_end()
    {
        using var model = Seeded(new OpenNetwork());
        var weight = (Parameter)model.get_parameter("first.weight")!;
        using var session = new ReLoRA { Rank = 4, WarmStartSteps = 2, MergeEvery = 10, Base = BaseFormat.NF4 }.Attach(model);
        using var optimizer = session.CreateOptimizer(0.01);
        var start = Values(weight);

        Step(model, optimizer);
        Values(weight).Should().NotEqual(start);
        session.FrozenBytes.Should().Be(0);

        Step(model, optimizer);
        weight.NumberOfElements.Should().Be(0);
        session.FrozenBytes.Should().BePositive();

        Run(model, optimizer, 3);
        session.Finish();
        weight.shape.Should().Equal(16, 12);
    }

    [Theory]
    [InlineData(ScalarType.Float64)]
    public void Unsupported_dtype_is_one_error_and_the_model_is_unchanged(ScalarType dtype)
    {
        using var model = Seeded(new OpenNetwork(dtype));
        var before = Weights(model);

        model.Invoking(plain => Strategy(BaseFormat.NF4).Attach(plain)).Should().Throw<ArgumentException>()
            .WithMessage("*NF4*first.weight (Float64)*Nothing was changed*");

        Weights(model).Should().BeEquivalentTo(before);
        model.parameters().Should().OnlyContain(parameter => parameter.requires_grad);
        model.named_children().First().module.Should().BeOfType<Linear>();
    }

    [Fact]
    public void Layer_that_cannot_be_replaced_stays_dense_with_a_note_and_is_an_error_under_strict()
    {
        var log = new RecordingLogger();
        using var model = new SealedNetwork();
        using var strictModel = new SealedNetwork();

        using var session = new LoRA { Base = BaseFormat.NF4, Logger = log }.Attach(model);
        strictModel.Invoking(plain => new LoRA { Base = BaseFormat.NF4, Strict = true }.Attach(plain))
            .Should().Throw<ArgumentException>().WithMessage("Under Strict*NF4*first.weight*field 'first'*Nothing was changed*");

        session.Layers.Should().OnlyContain(layer => layer.Injection == Injection.Hook);
        session.Parameters.Where(plan => plan.Name.EndsWith("lora_A", StringComparison.Ordinal)).Should()
            .OnlyContain(plan => plan.Note!.Contains("not in NF4"));
        log.Lines.Should().ContainSingle(line => line.Contains("cannot be kept in NF4"));
        strictModel.named_parameters().Should().HaveCount(5);
    }

    [Theory]
    [InlineData(Injection.Hook)]
    [InlineData(Injection.Shadow)]
    public void Way_in_without_a_layer_of_its_own_is_refused_with_the_options(Injection injection)
    {
        FluentActions.Invoking(() => Checks.Require(new ReLoRA { Base = BaseFormat.NF4, Injection = injection })).Should().Throw<OptionsValidationException>()
            .WithMessage("*Base is NF4*Auto or Replace*");
        FluentActions.Invoking(() => Checks.Require(new LoRA { Base = BaseFormat.NF4, Injection = injection })).Should().Throw<OptionsValidationException>()
            .WithMessage("*Base is NF4*Auto or Replace*");
    }

    [Fact]
    public void Restart_logs_the_loss_before_and_after_and_what_was_forgotten()
    {
        var log = new RecordingLogger();
        using var model = Seeded(new OpenNetwork());
        List<double> measured = [];
        using var optimizer = new ReLoRA { Rank = 4, MergeEvery = 3, Reset = OptimizerReset.Zero, Logger = log, LossProbe = Probe }.Attach(model)
            .CreateOptimizer(0.01);

        Run(model, optimizer, 6);

        measured.Should().HaveCount(4);
        measured[0].Should().BeApproximately(measured[1], 1e-5 * measured[0], "a merge keeps the function");
        log.Lines.Should()
            .ContainSingle(line =>
                line.Contains("restart 1 after step 3: 2 matrices merged, rank now 4, ") && line.Contains("zeroed; loss ") && line.Contains(" before, "));

        double Probe()
        {
            is_grad_enabled().Should().BeFalse();
            measured.Add(model.call(Inputs(model, -1)).square().mean().ToDouble());
            return measured[^1];
        }
    }

    [Theory]
    [InlineData(0, 2000)]
    [InlineData(500, 500)]
    [InlineData(5000, 5000)]
    public void Schedule_drops_to_zero_exactly_where_factors_start(long warmStart, long first)
    {
        var options = new ReLoRA { MergeEvery = 2000, WarmStartSteps = warmStart };

        var schedule = options.ScheduleFor(totalSteps: 10_900, warmup: 300, restartWarmup: 100);

        schedule.TotalSteps.Should().BeInRange(10_900, 12_899);
        var zeros = Enumerable.Range(1, 10_900).Where(step => schedule.Multiplier(step) == 0).ToArray();
        zeros.Should().Equal(Enumerable.Range(0, 6).Select(restart => (int)(first + 2000 * restart)).Where(step => step <= 10_900));
        schedule.Multiplier(first + 100).Should().BeGreaterThan(0.1);
        using var parameter = nn.Linear(1, 1);
        using var optimizer = optim.SGD(parameter.parameters(), 1);
        LowRankTraining.Schedules.ScheduleExtensions.Bind(schedule, optimizer).Should().NotBeNull();
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    /// <summary>The share of a change of 0.1 % of a bfloat16 weight's scale that one restart leaves in the function.</summary>
    private static double MergedShare(MergeRounding rounding, ulong seed, int rank = 4)
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        using var model = new OpenNetwork(ScalarType.BFloat16, hidden: 64);
        model.get_parameter("second.weight")!.copy_(Normal(3, ScalarType.Float32, 64, 64));
        using var optimizer = new ReLoRA { Rank = rank, Alpha = rank, MergeEvery = 1, Rounding = rounding, Seed = seed, Injection = Injection.Replace }
            .Attach(model, Targets.Matching("second")).CreateOptimizer(0);
        var layer = (LowRankLinear)model.named_children().Single(child => child.name == "second").module;
        var before = layer.EffectiveWeight();
        layer.lora_A.copy_(Normal(5, ScalarType.Float32, rank, 64).div(Math.Sqrt(rank)));
        layer.lora_B.copy_(Normal(6, ScalarType.Float32, 64, rank).mul(1e-3));
        var change = layer.EffectiveWeight() - before;

        optimizer.step();

        return ((layer.EffectiveWeight() - before).mul(change).sum() / change.square().sum()).ToDouble();
    }

    private static LoRA Strategy(BaseFormat format) => new() { Rank = 4, Base = format };

    private static QuantizedLowRankLinear Layer(nn.Module model) => (QuantizedLowRankLinear)model.named_children().First().module;
}
