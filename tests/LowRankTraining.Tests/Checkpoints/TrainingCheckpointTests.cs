using FluentAssertions;
using LowRankTraining.Checkpoints;
using LowRankTraining.Layers;
using LowRankTraining.Schedules;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Adapters;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Checkpoints;

public sealed class TrainingCheckpointTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("lowrank-").FullName;

    [Fact]
    public void TorchSharps_own_optimizer_resumes_bit_identically_with_its_schedule()
    {
        var schedule = new CosineSchedule { TotalSteps = 20, Warmup = 2 };
        using var whole = Seeded(new OpenNetwork());
        using var optimizer = optim.AdamW(whole.parameters(), 0.01);
        var scheduler = schedule.Bind(optimizer);
        Train(whole, optimizer, scheduler, 0, 4);
        TrainingCheckpoint.Save(_directory, whole, optimizer, scheduler);
        Train(whole, optimizer, scheduler, 4, 8);

        using var resumed = Seeded(new OpenNetwork(), 99);
        using var resumedOptimizer = optim.AdamW(resumed.parameters(), 0.01);
        var steps = TrainingCheckpoint.Load(_directory, resumed, resumedOptimizer);
        Train(resumed, resumedOptimizer, schedule.Bind(resumedOptimizer, steps), steps, 8);

        steps.Should().Be(4);
        Weights(resumed).Should().BeEquivalentTo(Weights(whole));
    }

    [Fact]
    public void Path_of_a_file_in_place_of_the_folder_is_told_so()
    {
        using var model = Seeded(new OpenNetwork());
        using var session = new LoRA { Rank = 2 }.Attach(model);
        using var optimizer = session.CreateOptimizer();
        TrainingCheckpoint.Save(_directory, model, optimizer);
        var file = Path.Combine(_directory, "training.safetensors");

        FluentActions.Invoking(() => TrainingCheckpoint.Save(file, model, optimizer))
            .Should().Throw<ArgumentException>().WithMessage($"'{file}' is a file, and a folder is wanted*");
        FluentActions.Invoking(() => PeftAdapter.Save(file, session))
            .Should().Throw<ArgumentException>().WithMessage($"'{file}' is a file, and a folder is wanted*");
        FluentActions.Invoking(() => TrainingCheckpoint.Load(file, model, optimizer))
            .Should().Throw<FileNotFoundException>().WithMessage($"'{file}' is a file*give the folder.");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Checkpoint_of_a_model_that_is_gone_is_refused_by_name_and_leaves_the_good_one(bool disposed)
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer = InjectionTests.LoRA(Injection.Auto).Attach(model).CreateOptimizer();
        Step(model, optimizer);
        TrainingCheckpoint.Save(_directory, model, optimizer);
        var saved = Directory.GetFiles(_directory).Select(File.ReadAllBytes).Single();
        if (disposed)
            model.Dispose();
        else
            model.to(ScalarType.Float64);

        Action save = () => TrainingCheckpoint.Save(_directory, model, optimizer), load = () => TrainingCheckpoint.Load(_directory, model, optimizer);
        foreach (var call in new[] { save, load })
            call.Should().Throw<InvalidOperationException>().WithMessage(disposed ? "*the model was disposed*" : "*Move the model first*");

        Directory.GetFiles(_directory).Select(File.ReadAllBytes).Single().Should().Equal(saved);
    }

    [Fact]
    public void Optimizer_that_does_not_count_needs_the_number_of_steps()
    {
        using var model = new OpenNetwork();
        using var optimizer = optim.SGD(model.parameters(), 0.1);

        optimizer.Invoking(sgd => TrainingCheckpoint.Save(_directory, model, sgd)).Should().Throw<ArgumentException>().WithMessage("*pass completedSteps*");
        TrainingCheckpoint.Save(_directory, model, optimizer, completedSteps: 17);

        TrainingCheckpoint.Load(_directory, model, optimizer).Should().Be(17);
    }

    [Fact]
    public void Scheduler_out_of_step_is_noticed()
    {
        using var model = new OpenNetwork();
        using var optimizer = InjectionTests.LoRA(Injection.Auto).Attach(model).CreateOptimizer();
        var scheduler = new ConstantSchedule().Bind(optimizer);
        Step(model, optimizer);

        FluentActions.Invoking(() => TrainingCheckpoint.Save(_directory, model, optimizer, scheduler)).Should().Throw<ArgumentException>()
            .WithMessage("*disagree*");
    }

    [Fact]
    public void Failed_save_leaves_the_old_checkpoint_and_nothing_else()
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer = optim.SGD(model.parameters(), 0.1);
        TrainingCheckpoint.Save(_directory, model, optimizer, completedSteps: 1);
        var saved = File.ReadAllBytes(Directory.GetFiles(_directory).Single());

        using var broken = new Unwritable();
        FluentActions.Invoking(() => TrainingCheckpoint.Save(_directory, broken, optimizer, completedSteps: 2)).Should().Throw<IOException>();

        File.ReadAllBytes(Directory.GetFiles(_directory).Single()).Should().Equal(saved);
    }

    [Fact]
    public void Saving_again_replaces_the_checkpoint()
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer = optim.SGD(model.parameters(), 0.1);
        TrainingCheckpoint.Exists(_directory).Should().BeFalse();
        TrainingCheckpoint.Save(_directory, model, optimizer, completedSteps: 1);
        TrainingCheckpoint.Save(_directory, model, optimizer, completedSteps: 2);

        TrainingCheckpoint.Exists(_directory).Should().BeTrue();
        TrainingCheckpoint.Load(_directory, model, optimizer).Should().Be(2);
    }

    [Fact]
    public void Missing_checkpoint_says_where_it_was_looked_for()
    {
        using var model = new OpenNetwork();
        using var optimizer = optim.SGD(model.parameters(), 0.1);
        FluentActions.Invoking(() => TrainingCheckpoint.Load(_directory, model, optimizer)).Should().Throw<FileNotFoundException>()
            .WithMessage($"*{_directory}*");
    }

    [Fact]
    public void Checkpoint_of_another_rank_is_refused_and_nothing_is_changed() =>
        Refused(Attach(8, Injection.Replace), Attach(4, Injection.Replace), "*'first.lora_A' is Float32 [8, 12] there and Float32 [4, 12] here*");

    /// <summary>Bases, supports and factors that are drawn would be others, under moments that are of the first ones.</summary>
    [Fact]
    public void Checkpoint_of_another_seed_is_refused_and_nothing_is_changed()
    {
        Refused(model => new LoRA { Rank = 4, Seed = 1 }.Attach(model).CreateOptimizer(), model => new LoRA { Rank = 4 }.Attach(model).CreateOptimizer(),
            "*Seed 1*Seed 0*");
        Refused(model => new Flora { Rank = 4, Seed = 1 }.Attach(model).CreateOptimizer(), model =>
            new Flora { Rank = 4, Seed = 2 }.Attach(model).CreateOptimizer(),
            "*Seed 1*Seed 2*");
    }

    [Fact]
    public void Checkpoint_of_another_way_in_is_refused_and_nothing_is_changed() =>
        Refused(Attach(4, Injection.Shadow), Attach(4, Injection.Replace), "*it has no 'first.lora_A'*");

    [Fact]
    public void Shadow_of_another_rank_is_refused_and_nothing_is_changed() =>
        Refused(Attach(8, Injection.Shadow), Attach(4, Injection.Shadow), "*rank 8*rank 4*");

    [Fact]
    public void Checkpoint_of_another_strategy_is_refused_and_nothing_is_changed() =>
        Refused(model => new ReLoRA { Rank = 4 }.Attach(model).CreateOptimizer(), Attach(4, Injection.Auto), "*'relora'*'lora'*");

    [Fact]
    public void Checkpoint_of_another_optimizer_is_refused_and_nothing_is_changed()
    {
        using var model = Seeded(new OpenNetwork());
        using var sgd = optim.SGD(model.parameters(), 0.1);
        using var adam = optim.AdamW(model.parameters(), 0.1);
        TrainingCheckpoint.Save(_directory, model, sgd, completedSteps: 1);

        FluentActions.Invoking(() => TrainingCheckpoint.Load(_directory, model, adam)).Should().Throw<InvalidDataException>()
            .WithMessage("*state of a SGD*is a AdamW*");
    }

    [Theory]
    [InlineData(0.2)]
    [InlineData(0.9)]
    public void Truncated_checkpoint_is_refused_and_nothing_is_changed(double share)
    {
        Refused(Attach(4, Injection.Replace), Attach(4, Injection.Replace), "*not complete*", damage: path =>
        {
            using var file = File.OpenWrite(path);
            file.SetLength((long)(file.Length * share));
        });
    }

    [Fact]
    public void Other_file_is_refused() =>
        Refused(Attach(4, Injection.Replace), Attach(4, Injection.Replace), "*training.safetensors' is not a sound safetensors file*Nothing was changed.*",
            damage: path => File.WriteAllText(path, "something else altogether"));

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private void Refused(Func<nn.Module, LowRankOptimizer> saved, Func<nn.Module, LowRankOptimizer> loaded, string message, Action<string>? damage = null)
    {
        using (var model = Seeded(new OpenNetwork()))
        using (var optimizer = saved(model))
        {
            Run(model, optimizer, 2);
            TrainingCheckpoint.Save(_directory, model, optimizer);
        }

        damage?.Invoke(Directory.GetFiles(_directory).Single());

        using var other = Seeded(new OpenNetwork(), 99);
        using var target = loaded(other);
        Run(other, target, 1);
        var (weights, bytes) = (Weights(other), target.StateBytes);

        FluentActions.Invoking(() => TrainingCheckpoint.Load(_directory, other, target)).Should().Throw<InvalidDataException>().WithMessage(message);

        Weights(other).Should().BeEquivalentTo(weights);
        (target.StateBytes, target.CompletedSteps).Should().Be((bytes, 1));
    }

    private static Func<nn.Module, LowRankOptimizer> Attach(int rank, Injection injection) =>
        model => new LoRA { Rank = rank, Injection = injection }.Attach(model).CreateOptimizer();

    private static void Train(nn.Module<Tensor, Tensor> model, AdamW optimizer, optim.lr_scheduler.LRScheduler scheduler, long from, long to)
    {
        for (var step = from; step < to; step++)
        {
            using var scope = NewDisposeScope();
            optimizer.zero_grad();
            (model.call(Inputs(model, step)) - 1).square().mean().backward();
            optimizer.step();
            scheduler.step();
        }
    }

    private sealed class Unwritable() : nn.Module<Tensor, Tensor>(nameof(Unwritable))
    {
        public override Tensor forward(Tensor input) => input;

        public override Dictionary<string, Tensor> state_dict(Dictionary<string, Tensor>? destination = null, string? prefix = null) =>
            throw new IOException("The disk is full.");
    }
}
