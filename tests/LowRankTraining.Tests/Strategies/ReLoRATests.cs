using FluentAssertions;
using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Adapters;
using MathNet.Numerics.LinearAlgebra;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Strategies;

public class ReLoRATests
{
    [Theory]
    [InlineData(Injection.Replace)]
    [InlineData(Injection.Shadow)]
    public void Restarts_happen_exactly_when_configured_counted_from_the_warm_start(Injection injection)
    {
        using var model = new OpenNetwork();
        var log = new RecordingLogger();
        var options = new ReLoRA { Rank = 4, MergeEvery = 3, WarmStartSteps = 2, Injection = injection, Logger = log };
        using var optimizer = options.Attach(model).CreateOptimizer();

        for (var step = 1; step <= 12; step++)
        {
            Step(model, optimizer);
            log.Lines.Count(line => line.Contains("restart ")).Should().Be(Math.Max(0, (step - 2) / 3), "after step {0}", step);
        }

        log.Lines.Should().ContainSingle(line => line.Contains("warm start over after step 2"));
        log.Lines.Should().ContainSingle(line => line.Contains("restart 2 after step 8: 2 matrices merged, rank now 4"));
    }

    [Fact]
    public void Restart_keeps_the_function_empties_B_and_draws_A_anew()
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer = Attach(model, new() { MergeEvery = 3 });
        Run(model, optimizer, 2);
        var (a, weight) = (Values(Layer(model).lora_A), Values(Layer(model).weight));
        var learned = TwinAfterStepWithoutRestart();

        Step(model, optimizer);

        Values(Layer(model).lora_B).Should().OnlyContain(value => value == 0);
        Distance(Values(Layer(model).lora_A), a).Should().BeGreaterThan(0.5);
        Values(Layer(model).weight).Should().NotEqual(weight);
        Distance(Output(model), learned).Should().BeLessThan(1e-6);

        static double[] TwinAfterStepWithoutRestart()
        {
            using var twin = Seeded(new OpenNetwork());
            using var optimizer = Attach(twin, new() { MergeEvery = 100 });
            Run(twin, optimizer, 3);
            return Output(twin);
        }
    }

    [Fact]
    public void New_factors_can_be_the_leading_triplets_of_the_merged_weight()
    {
        using var model = Seeded(new OpenNetwork());
        using var twin = Seeded(new OpenNetwork());
        using var optimizer = Attach(model, new() { MergeEvery = 3, RestartInit = FactorInit.PiSSA, Reset = OptimizerReset.Zero });
        using var without = Attach(twin, new() { MergeEvery = 100 });
        Run(model, optimizer, 3);
        Run(twin, without, 3);

        var (a, b) = (Matrix(Layer(model).lora_A), Matrix(Layer(model).lora_B));
        var merged = Matrix(Layer(model).weight) + 2 * b * a;
        var svd = merged.Svd();
        var leading = svd.U.SubMatrix(0, 16, 0, 4) * svd.W.SubMatrix(0, 4, 0, 4) * svd.VT.SubMatrix(0, 4, 0, 12);
        (2 * b * a - leading).FrobeniusNorm().Should().BeLessThan(1e-5 * merged.FrobeniusNorm());
        (a * a.Transpose() - b.Transpose() * b).FrobeniusNorm().Should().BeLessThan(1e-5 * merged.FrobeniusNorm());
        foreach (var factor in new[] { Layer(model).lora_A, Layer(model).lora_B })
            optimizer.StateOf(factor).Bytes.Should().Be(0);
        Distance(Output(model), Output(twin)).Should().BeLessThan(1e-6);

        static Matrix<double> Matrix(Tensor tensor) =>
            Matrix<double>.Build.DenseOfRowMajor((int)tensor.shape[0], (int)tensor.shape[1], Values(tensor));
    }

    [Theory]
    [InlineData(FactorInit.Gaussian, 0)]
    [InlineData(FactorInit.PiSSA, 0)]
    [InlineData(FactorInit.PiSSA, 2)]
    [InlineData(FactorInit.OLoRA, 0)]
    public void New_factors_are_the_same_wherever_they_live(FactorInit init, long warmStart)
    {
        var replaced = Train(Injection.Replace);

        Distance(Train(Injection.Hook), replaced).Should().BeLessThan(1e-6);
        Distance(Train(Injection.Shadow), replaced).Should().BeLessThan(1e-5);
        Distance(Train(Injection.Replace, FactorInit.Kaiming), replaced).Should().BeGreaterThan(1e-3);

        double[] Train(Injection injection, FactorInit? other = null)
        {
            using var model = Seeded(new OpenNetwork());
            using var optimizer = Attach(model, new()
            {
                MergeEvery = 3,
                RestartInit = other ?? init,
                Reset = OptimizerReset.Zero,
                WarmStartSteps = warmStart,
                Injection = injection,
            }, 1e-3);
            Run(model, optimizer, 8);
            return Output(model);
        }
    }

    [Theory]
    [InlineData(FactorInit.LoRAGA, BaseFormat.Dense, MergeRounding.Stochastic, "*RestartInit is LoRAGA*take PiSSA*")]
    [InlineData(FactorInit.PiSSA, BaseFormat.NF4, MergeRounding.Stochastic, "*RestartInit is PiSSA*Base is NF4: leave one of them out*")]
    [InlineData(FactorInit.OLoRA, BaseFormat.Dense, MergeRounding.CarryResidual, "*RestartInit is OLoRA and Rounding is CarryResidual*leave one of them out*")]
    public void Start_after_a_restart_that_cannot_be_is_refused(FactorInit init, BaseFormat format, MergeRounding rounding, string message)
    {
        using var model = new OpenNetwork();

        model.Invoking(plain => Attach(plain, new() { RestartInit = init, Base = format, Rounding = rounding }))
            .Should().Throw<OptionsValidationException>().WithMessage(message);
    }

    [Theory]
    [InlineData(OptimizerReset.Zero, true)]
    [InlineData(OptimizerReset.Zero, false)]
    [InlineData(OptimizerReset.RandomPruning, true)]
    [InlineData(OptimizerReset.RandomPruning, false)]
    [InlineData(OptimizerReset.MagnitudePruning, true)]
    [InlineData(OptimizerReset.MagnitudePruning, false)]
    [InlineData(OptimizerReset.RandomPruning, true, BaseFormat.NF4, MergeRounding.Stochastic)]
    [InlineData(OptimizerReset.RandomPruning, false, BaseFormat.NF4, MergeRounding.CarryResidual)]
    [InlineData(OptimizerReset.MagnitudePruning, false, BaseFormat.Blockwise8Bit, MergeRounding.CarryResidual)]
    [InlineData(OptimizerReset.Zero, false, BaseFormat.NF4, MergeRounding.CarryResidual)]
    public void No_update_is_out_of_proportion_after_a_restart(
        OptimizerReset reset, bool resetStepCounter, BaseFormat format = BaseFormat.Dense, MergeRounding rounding = MergeRounding.Stochastic)
    {
        const double rate = 1e-3;
        using var model = Seeded(new OpenNetwork());
        using var optimizer = Attach(model, new()
        {
            MergeEvery = 20,
            Reset = reset,
            PruneRatio = reset == OptimizerReset.Zero ? 0.99 : 0.9,
            ResetStepCounter = resetStepCounter,
            Base = format,
            Rounding = rounding,
        }, rate);
        Run(model, optimizer, 20);

        for (var step = 0; step < 12; step++)
        {
            var before = Factors();
            Step(model, optimizer);
            Factors().Zip(before, (now, then) => Math.Abs(now - then)).Max().Should().BeInRange(rate * 1e-3, rate * 10);
        }

        double[] Factors() => [.. model.parameters().Where(parameter => parameter.requires_grad).SelectMany(Values)];
    }

    [Theory]
    [InlineData(OptimizerReset.RandomPruning)]
    [InlineData(OptimizerReset.MagnitudePruning)]
    public void Both_moments_lose_the_same_entries(OptimizerReset reset)
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer = Attach(model, new() { MergeEvery = 6, Reset = reset, PruneRatio = 0.75 });
        Run(model, optimizer, 6);

        foreach (var factor in new[] { Layer(model).lora_A, Layer(model).lora_B })
        {
            var state = optimizer.StateOf(factor);
            var (first, second) = (Values(state["exp_avg"]), Values(state["exp_avg_sq"]));

            first.Select(value => value == 0).Should().Equal(second.Select(value => value == 0));
            ((double)first.Count(value => value == 0) / first.Length).Should().BeApproximately(0.75, 0.2);
            state.Counter("step").Should().Be(0);
        }
    }

    [Fact]
    public void Magnitude_pruning_keeps_the_largest_first_moments()
    {
        using var pruned = Seeded(new OpenNetwork());
        using var whole = Seeded(new OpenNetwork());
        using var optimizer = Attach(pruned, new() { MergeEvery = 6, PruneRatio = 0.75 });
        using var reference = Attach(whole, new() { MergeEvery = 100 });
        Run(pruned, optimizer, 6);
        Run(whole, reference, 6);

        var before = Values(reference.StateOf(Layer(whole).lora_B)["exp_avg"]);
        var after = Values(optimizer.StateOf(Layer(pruned).lora_B)["exp_avg"]);

        after.Should().Equal(before.Select(value => Math.Abs(value) > before.Select(Math.Abs).Order().ElementAt(before.Length * 3 / 4 - 1) ? value : 0));
    }

    [Fact]
    public void What_is_not_adapted_keeps_its_optimizer_state()
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer = Attach(model, new() { MergeEvery = 3 });
        Run(model, optimizer, 3);

        optimizer.StateOf(model.get_parameter("lm_head.weight")!).Counter("step").Should().Be(3);
    }

    [Fact]
    public void Rank_falls_at_every_restart_down_to_its_minimum()
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer = Attach(model, new() { Rank = 12, RankDecay = 0.5, MinRank = 2, MergeEvery = 2 });
        var handle = Layer(model).lora_A.Handle;
        List<long> ranks = [];

        for (var step = 0; step < 10; step++)
        {
            ranks.Add(Layer(model).Rank);
            Step(model, optimizer);
        }

        ranks.Should().Equal(12, 12, 6, 6, 3, 3, 2, 2, 2, 2);
        Layer(model).lora_B.shape.Should().Equal(16, 2);
        Layer(model).lora_A.Handle.Should().Be(handle, "optimizer state is keyed by it");
    }

    [Fact]
    public void Rank_may_fall_while_an_old_graph_is_alive()
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer = Attach(model, new() { Rank = 12, RankDecay = 0.5, MergeEvery = 1 });
        List<Tensor> losses = [];

        for (var step = 0; step < 3; step++)
        {
            optimizer.zero_grad();
            losses.Add(model.call(Inputs(model)).square().mean());
            losses[^1].backward();
            optimizer.step();
        }

        Layer(model).lora_A.shape.Should().Equal(2, 12);
        losses.ForEach(loss => loss.Dispose());
    }

    [Fact]
    public void Factor_of_another_shape_starts_without_moments()
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer = Attach(model, new() { Rank = 12, RankDecay = 0.5, MergeEvery = 2 });

        Run(model, optimizer, 2);
        optimizer.StateOf(Layer(model).lora_A).Bytes.Should().Be(0);

        Step(model, optimizer);
        optimizer.StateOf(Layer(model).lora_A).Bytes.Should().Be(2 * 6 * 12 * 4);
    }

    [Fact]
    public void Shadowed_rank_falls_too()
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer = Attach(model, new() { Rank = 12, RankDecay = 0.5, MergeEvery = 2, Injection = Injection.Shadow });
        Run(model, optimizer, 3);

        optimizer.StateOf(model.get_parameter("first.weight")!)["factors"].shape.Should().Equal(6, 12 + 16);
    }

    [Fact]
    public void Warm_start_trains_the_weight_at_full_rank_and_then_freezes_it()
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer = Attach(model, new() { WarmStartSteps = 2, MergeEvery = 10 });
        var weight = Layer(model).weight;
        var start = Values(weight);

        Step(model, optimizer);
        Values(weight).Should().NotEqual(start);
        optimizer.StateOf(weight).Bytes.Should().Be(2 * 16 * 12 * 4);
        Values(Layer(model).lora_B).Should().OnlyContain(value => value == 0);

        Step(model, optimizer);
        weight.requires_grad.Should().BeFalse();
        optimizer.StateOf(weight).Bytes.Should().Be(0);
        var frozen = Values(weight);

        Step(model, optimizer);
        Values(weight).Should().Equal(frozen);
        Values(Layer(model).lora_B).Should().Contain(value => value != 0);
    }

    [Theory]
    [InlineData(Injection.Replace)]
    [InlineData(Injection.Hook)]
    [InlineData(Injection.Shadow)]
    public void Bfloat16_model_trains_and_restarts(Injection injection)
    {
        using var model = Seeded(new OpenNetwork(ScalarType.BFloat16));
        using var optimizer = Attach(model, new() { MergeEvery = 10, Injection = injection }, 0.01);
        var first = Enumerable.Range(0, 5).Select(_ => Step(model, optimizer)).Average();

        Run(model, optimizer, 60);

        Enumerable.Range(0, 5).Select(_ => Step(model, optimizer)).Average().Should().BeLessThan(first);
        Output(model).Should().OnlyContain(value => double.IsFinite(value));
    }

    [Theory]
    [InlineData(1, 12)]
    [InlineData(12, 1)]
    public void Single_rows_and_columns_are_adapted_at_rank_one(long rows, long columns)
    {
        using var model = nn.Sequential(nn.Linear(columns, rows, hasBias: false));
        using var optimizer = Attach(model, new() { MergeEvery = 2 });

        for (var step = 0; step < 5; step++)
        {
            using var scope = NewDisposeScope();
            optimizer.zero_grad();
            model.call(ones(4, columns)).square().sum().backward();
            optimizer.step();
        }

        var session = (AdapterSession)optimizer.Session;
        session.Layers.Should().ContainSingle().Which.Rank.Should().Be(1);
        session.Parameters.Should().Contain(plan => plan.Note!.StartsWith("rank 4 lowered to 1, the short side; 1"));
        session.Finish();
        Values(model.parameters().Single()).Should().OnlyContain(value => double.IsFinite(value));
    }

    [Fact]
    public void Rank_above_the_short_side_is_an_error_under_strict()
    {
        using var model = new OpenNetwork();
        var strict = new ReLoRA { Rank = 14, Strict = true };

        model.Invoking(plain => strict.Attach(plain)).Should().Throw<ArgumentException>().WithMessage("Under Strict*first.weight: rank 14 lowered to 12*");

        model.parameters().Should().OnlyContain(parameter => parameter.requires_grad);
    }

    [Fact]
    public void Wrong_options_are_listed_all_at_once()
    {
        var wrong = new ReLoRA { Rank = 0, MergeEvery = 0, RankDecay = 2, MinRank = 5, PruneRatio = -1, Dropout = 1, WarmStartSteps = -1 };

        FluentActions.Invoking(() => Checks.Require(wrong)).Should().Throw<OptionsValidationException>().Which.Failures.Should().HaveCount(7);
    }

    [Fact]
    public void Same_seed_gives_the_same_bits_and_another_one_does_not()
    {
        double[] Train(ulong seed)
        {
            using var model = Seeded(new OpenNetwork());
            using var optimizer = Attach(model, new() { MergeEvery = 3, Seed = seed, Reset = OptimizerReset.RandomPruning });
            Run(model, optimizer, 8);
            return Output(model);
        }

        Train(1).Should().Equal(Train(1));
        Train(1).Should().NotEqual(Train(2));
    }

    [Fact]
    public void Broken_gradient_changes_nothing()
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer = Attach(model, new() { MergeEvery = 10 });
        Run(model, optimizer, 2);
        var before = Weights(model);

        foreach (var parameter in model.parameters().Where(parameter => parameter.requires_grad))
        {
            using var gradient = full_like(parameter, double.NaN);
            parameter.grad = gradient;
        }

        optimizer.step();

        Weights(model).Should().BeEquivalentTo(before);
        optimizer.NonFiniteGradients.Should().BePositive();
    }

    [Fact]
    public void Healthy_training_skips_no_update()
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer = Attach(model, new() { MergeEvery = 3 });
        Run(model, optimizer, 8);

        optimizer.SkippedUpdates.Should().Be(0);
    }

    [Fact]
    public void Frozen_others_stay_as_they_are_until_the_session_is_finished()
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer = Attach(model, new() { TrainOthers = false });
        var head = Values(model.get_parameter("lm_head.weight")!);

        Run(model, optimizer, 3);

        Values(model.get_parameter("lm_head.weight")!).Should().Equal(head);
        optimizer.Session.Finish();
        model.parameters().Should().OnlyContain(parameter => parameter.requires_grad);
    }

    private static LowRankOptimizer Attach(nn.Module model, ReLoRA options, double rate = 0.01) =>
        (options.Rank == 128 ? options with { Rank = 4, Alpha = 8 } : options).Attach(model).CreateOptimizer(rate);

    private static LowRankLinear Layer(nn.Module model) => (LowRankLinear)model.named_children().First().module;
}
