using FluentAssertions;
using LowRankTraining.Checkpoints;
using LowRankTraining.Layers;
using LowRankTraining.Parts;
using LowRankTraining.Schedules;
using LowRankTraining.Strategies;
using Microsoft.Extensions.Options;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Strategies;

/// <summary>Moments of weight-space methods in other formats than float32.</summary>
public class WeightSpaceStatesTests
{
    private const int Steps = 6;

    public static TheoryData<string> Names =>
        ["lora", "lora, shadow", "lora, falling rank", "relora", "relora, random reset", "dora", "prilora", "sltrain", "factorized", "cola"];

    public static TheoryData<string> Exact => ["switchlora", "inrank"];

    [Theory, MemberData(nameof(Names))]
    public void Moments_in_eight_bits_take_less_and_train(string name)
    {
        manual_seed(1);
        var (exact, _) = Train(Make(name, StateFormat.Float32));
        var (short8, losses) = Train(Make(name, StateFormat.Blockwise8Bit with { Threshold = 32 }));

        short8.Should().BeLessThan(exact * 3 / 4);
        losses[^1].Should().BeLessThan(losses[0]);
    }

    [Theory, MemberData(nameof(Names))]
    public void Run_with_moments_in_eight_bits_resumes_bit_for_bit(string name)
    {
        using var folder = new TemporaryDirectory();
        var method = Make(name, StateFormat.Blockwise8Bit with { Threshold = 32 });
        using var whole = new Run(method);
        whole.Step(3);
        TrainingCheckpoint.Save(folder.Path, whole.Model, whole.Optimizer);
        whole.Step(3);

        using var resumed = new Run(method);
        TrainingCheckpoint.Load(folder.Path, resumed.Model, resumed.Optimizer);
        resumed.Step(3);

        resumed.Weights().Should().Equal(whole.Weights());
    }

    [Theory, MemberData(nameof(Exact))]
    public void Methods_with_a_clock_for_each_vector_refuse_short_moments(string name) => FluentActions
        .Invoking(() => Checks.Require((WeightSpaceMethod)LowRankStrategies.Create(name) with { States = StateFormat.Blockwise8Bit }))
        .Should().Throw<OptionsValidationException>().WithMessage("*States is*float32*");

    [Fact]
    public void Formats_for_bases_are_refused() => FluentActions
        .Invoking(() => Checks.Require(new LoRA { States = StateFormat.Affine4Bit }))
        .Should().Throw<OptionsValidationException>().WithMessage("LoRA.States*for bases*");

    public static TheoryData<WeightSpaceMethod, string> Idle => new()
    {
        { new LoRA { Dropout = 0.1, Injection = Injection.Shadow }, "LoRA.Dropout" },
        { new LoRA { GradientGamma = 4 }, "LoRA.GradientGamma" },
        { new LoRA { ResetsOnRankChange = true }, "LoRA.ResetsOnRankChange" },
        { new LoRA { TrainOthers = false, TableStates = StateFormat.BFloat16 }, "LoRA.TableStates" },
        { new ReLoRA { MinRank = 4 }, "ReLoRA.MinRank" },
        { new ReLoRA { Reset = OptimizerReset.Zero, PruneRatio = 0.9 }, "ReLoRA.PruneRatio" },
        { new ReLoRA { Rounding = MergeRounding.Nearest, Injection = Injection.Shadow }, "ReLoRA.Rounding" },
        { new SwitchLoRA { SwitchDecay = 0.5 }, "SwitchLoRA.SwitchDecay" },
        { new SLTrain { PreservesVariance = true, StartsFromWeight = true }, "SLTrain.PreservesVariance" },
        { new LowRankFactorization { RankStabilized = true }, "LowRankFactorization.RankStabilized" },
        { new WeLore { Rank = 8 }, "WeLore.Rank" },
    };

    [Theory, MemberData(nameof(Idle))]
    public void Option_that_would_do_nothing_is_refused(WeightSpaceMethod method, string option) => FluentActions
        .Invoking(() => Checks.Require(method)).Should().Throw<OptionsValidationException>().Which.Failures.Should().ContainSingle()
        .Which.Should().StartWith($"{option} has no effect: ");

    [Fact]
    public void Method_with_wrong_options_attaches_to_nothing()
    {
        using var run = new Run(new LoRA { Rank = 2 });
        using var model = Plain();
        var names = model.named_parameters().Select(pair => pair.name).ToArray();

        model.Invoking(plain => new LoRA { Rank = 0 }.Attach(plain)).Should().Throw<OptionsValidationException>()
            .WithMessage("LoRA.Rank is 0: it must be at least 1*");

        model.named_parameters().Select(pair => pair.name).Should().Equal(names);
    }

    private static WeightSpaceMethod Make(string name, StateFormat states)
    {
        WeightSpaceMethod method = name switch
        {
            "lora, shadow" => new LoRA { Injection = Injection.Shadow },
            "lora, falling rank" => new LoRA { RankSchedule = new LinearRank { To = 0.5, Start = 1, End = 5 } },
            "relora" => new ReLoRA { MergeEvery = 2 },
            "relora, random reset" => new ReLoRA { MergeEvery = 2, Reset = OptimizerReset.RandomPruning, Injection = Injection.Shadow },
            "prilora" => new PriLoRA { FirstRank = 8, PruneEvery = 2, ResetPruned = true },
            _ => (WeightSpaceMethod)LowRankStrategies.Create(name),
        };
        return method with { Rank = 8, States = states };
    }

    private static (long Bytes, double[] Losses) Train(WeightSpaceMethod method)
    {
        using var run = new Run(method);
        var losses = run.Step(Steps);
        return (run.Optimizer.StateBytes, losses);
    }

    private static Sequential Plain()
    {
        manual_seed(7);
        return nn.Sequential(("first", nn.Linear(24, 32)), ("middle", nn.ReLU()), ("second", nn.Linear(32, 24)));
    }

    private sealed class Run : IDisposable
    {
        private readonly Tensor _input, _wanted;

        public Run(WeightSpaceMethod method)
        {
            Model = Plain();
            Optimizer = method.Attach(Model, Targets.AllLinear()).CreateOptimizer(0.01);
            using var generator = new Generator(3);
            (_input, _wanted) = (randn(16, 24, generator: generator), randn(16, 24, generator: generator));
        }

        public Sequential Model { get; }

        public LowRankOptimizer Optimizer { get; }

        public double[] Step(int count)
        {
            var losses = new double[count];
            for (var step = 0; step < count; step++)
            {
                Optimizer.zero_grad();
                using var loss = nn.functional.mse_loss(Model.call(_input), _wanted);
                loss.backward();
                Optimizer.step();
                losses[step] = loss.item<float>();
            }

            return losses;
        }

        public float[] Weights() => [.. Model.named_parameters().SelectMany(pair => pair.parameter.detach().reshape(-1).data<float>().ToArray())];

        public void Dispose()
        {
            Optimizer.Dispose();
            Model.Dispose();
            _input.Dispose();
            _wanted.Dispose();
        }
    }
}
