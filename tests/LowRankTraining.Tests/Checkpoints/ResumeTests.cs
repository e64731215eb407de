using FluentAssertions;
using LowRankTraining.Checkpoints;
using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Adapters;
using TorchSharp;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Checkpoints;

public sealed class ResumeTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("lowrank-").FullName;

    public static TheoryData<string, int, ScalarType> Runs
    {
        get
        {
            // Warm start until 2, restarts with a smaller rank after 5, 8 and 11.
            var runs = new TheoryData<string, int, ScalarType>();
            foreach (var way in new[] { "Replace", "Hook", "Shadow", "Auto", "Bypassed" })
                foreach (var step in new[] { 1, 2, 4, 5, 6, 9 })
                    runs.Add(way, step, step % 2 == 0 ? ScalarType.BFloat16 : ScalarType.Float32);
            return runs;
        }
    }

    [Theory]
    [MemberData(nameof(Runs))]
    public void Resumed_run_is_bit_identical_to_an_uninterrupted_one(string way, int interruption, ScalarType dtype)
    {
        const int total = 12;
        using var whole = Make(way, dtype);
        whole.Run(total);

        using (var interrupted = Make(way, dtype))
        {
            interrupted.Run(interruption);
            TrainingCheckpoint.Save(_directory, interrupted.Model, interrupted.Optimizer);
        }

        using var resumed = Make(way, dtype, seed: 99);
        TrainingCheckpoint.Load(_directory, resumed.Model, resumed.Optimizer).Should().Be(interruption);
        resumed.Run(total - interruption);

        Weights(resumed.Model).Should().BeEquivalentTo(Weights(whole.Model), options => options.WithStrictOrdering());
        resumed.Optimizer.StateBytes.Should().Be(whole.Optimizer.StateBytes);
    }

    [Fact]
    public void Checkpoint_of_factors_that_go_another_way_into_the_model_is_refused_untouched()
    {
        LowRankOptimizer Optimizer(SealedNetwork model, Injection way) => new LoRA { Rank = 4, Injection = way }.Attach(model).CreateOptimizer();
        using var hooked = Seeded(new SealedNetwork());
        using var saved = Optimizer(hooked, Injection.Hook);
        Training.Run(hooked, saved, 2);
        TrainingCheckpoint.Save(_directory, hooked, saved);
        using var model = Seeded(new SealedNetwork(), seed: 9);
        using var optimizer = Optimizer(model, Injection.Auto);
        var before = Weights(model);

        FluentActions.Invoking(() => TrainingCheckpoint.Load(_directory, model, optimizer)).Should().Throw<InvalidDataException>()
            .WithMessage("*another Injection*Nothing was changed.");

        Weights(model).Should().BeEquivalentTo(before, options => options.WithStrictOrdering());
        optimizer.CompletedSteps.Should().Be(0);
        Training.Run(model, optimizer, 2);
    }

    [Fact]
    public void Streams_of_TorchSharp_resume_too_when_the_optimizer_is_loaded_first()
    {
        using var whole = Make("Replace", ScalarType.Float32);
        whole.Run(6);
        using var weights = new MemoryStream();
        whole.Model.save(weights);
        using var state = new MemoryStream();
        whole.Optimizer.save_state_dict(new BinaryWriter(state));
        whole.Run(3);

        using var resumed = Make("Replace", ScalarType.Float32, seed: 99);
        resumed.Optimizer.load_state_dict(new BinaryReader(new MemoryStream(state.ToArray())));
        resumed.Model.load(new MemoryStream(weights.ToArray()));
        resumed.Run(3);

        Weights(resumed.Model).Should().BeEquivalentTo(Weights(whole.Model));
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private static Trained Make(string way, ScalarType dtype, ulong seed = 7)
    {
        var injection = way == "Bypassed" ? Injection.Auto : Enum.Parse<Injection>(way);
        nn.Module<Tensor, Tensor> model = way is "Replace" or "Shadow" ? new OpenNetwork(dtype) : new SealedNetwork(way == "Bypassed", dtype);
        var options = new ReLoRA
        {
            Rank = 8, Alpha = 16, RankDecay = 0.5, MinRank = 2, MergeEvery = 3, WarmStartSteps = 2, Reset = OptimizerReset.RandomPruning, PruneRatio = 0.5,
            Injection = injection,
        };
        return new(Seeded(model, seed), options.Attach(model).CreateOptimizer(0.01));
    }

    private sealed record Trained(nn.Module<Tensor, Tensor> Model, LowRankOptimizer Optimizer) : IDisposable
    {
        public void Run(int steps) => Training.Run(Model, Optimizer, steps);

        public void Dispose()
        {
            Optimizer.Dispose();
            Model.Dispose();
        }
    }
}
