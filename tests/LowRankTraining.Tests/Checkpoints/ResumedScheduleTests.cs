using FluentAssertions;
using LowRankTraining.Checkpoints;
using LowRankTraining.Schedules;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Adapters;
using TorchSharp.Modules;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Checkpoints;

/// <summary>A schedule that is bound before the run is loaded.</summary>
public class ResumedScheduleTests
{
    private static readonly CosineSchedule Schedule = new() { TotalSteps = 20, Warmup = 2 };

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Schedule_that_was_bound_before_Load_goes_on_where_the_run_was(bool given)
    {
        using var directory = new TemporaryDirectory();
        using var whole = Seeded(new OpenNetwork());
        using var optimizer = GaLore.AdamW(whole.named_parameters(), lr: 0.01, rank: 4);
        var scheduler = Schedule.Bind(optimizer);
        Train(whole, optimizer, scheduler, 5);
        TrainingCheckpoint.Save(directory.Path, whole, optimizer, scheduler);

        using var resumed = Seeded(new OpenNetwork(), seed: 99);
        using var again = GaLore.AdamW(resumed.named_parameters(), lr: 0.01, rank: 4);
        var bound = Schedule.Bind(again);
        TrainingCheckpoint.Load(directory.Path, resumed, again, given ? bound : null).Should().Be(5);
        bound.CompletedSteps.Should().Be(5);
        bound.get_last_lr().Should().Equal(scheduler.get_last_lr());

        Train(whole, optimizer, scheduler, 5);
        Train(resumed, again, bound, 5);
        Weights(resumed).Should().BeEquivalentTo(Weights(whole));
        TrainingCheckpoint.Save(directory.Path, resumed, again, bound);
    }

    [Fact]
    public void Initial_rate_of_the_run_counts_and_not_that_of_the_new_optimizer()
    {
        using var directory = new TemporaryDirectory();
        using var model = Seeded(new OpenNetwork());
        using var optimizer = GaLore.AdamW(model.named_parameters(), lr: 0.01, rank: 4);
        var scheduler = Schedule.Bind(optimizer);
        Train(model, optimizer, scheduler, 5);
        TrainingCheckpoint.Save(directory.Path, model, optimizer, scheduler);

        using var again = GaLore.AdamW(model.named_parameters(), lr: 0.5, rank: 4);
        var bound = Schedule.Bind(again);
        TrainingCheckpoint.Load(directory.Path, model, again, bound);
        scheduler.step();
        bound.step();

        bound.get_last_lr().Should().Equal(scheduler.get_last_lr());
    }

    [Fact]
    public void State_that_is_loaded_without_a_checkpoint_takes_the_schedule_along()
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer = GaLore.AdamW(model.named_parameters(), lr: 0.01, rank: 4);
        Train(model, optimizer, Schedule.Bind(optimizer), 3);
        using var again = GaLore.AdamW(model.named_parameters(), lr: 0.01, rank: 4);
        var bound = Schedule.Bind(again);

        again.load_state_dict(optimizer.state_dict());

        bound.CompletedSteps.Should().Be(3);
    }

    /// <summary>Fine-tuning that begins where a run has ended: the schedule counts its own steps, the checkpoint all.</summary>
    [Fact]
    public void Schedule_that_begins_in_the_middle_of_a_run_is_saved_and_loaded_with_it()
    {
        using var directory = new TemporaryDirectory();
        using var model = Seeded(new OpenNetwork());
        using var optimizer = GaLore.AdamW(model.named_parameters(), lr: 0.01, rank: 4);
        Train(model, optimizer, Schedule.Bind(optimizer), 3);
        var second = Schedule.Bind(optimizer, completedSteps: 0);
        Train(model, optimizer, second, 2);
        TrainingCheckpoint.Save(directory.Path, model, optimizer, second);
        Train(model, optimizer, second, 4);

        TrainingCheckpoint.Load(directory.Path, model, optimizer, second).Should().Be(5);

        second.CompletedSteps.Should().Be(2);
        optimizer.ParamGroups.Single().LearningRate.Should().Be(0.01 * Schedule.Multiplier(2));
    }

    [Fact]
    public void TorchSharps_optimizer_takes_its_schedule_along_where_it_is_given()
    {
        using var directory = new TemporaryDirectory();
        using var whole = Seeded(new OpenNetwork());
        using var optimizer = optim.AdamW(whole.parameters(), 0.01);
        var scheduler = Schedule.Bind(optimizer);
        for (var step = 0; step < 4; step++)
            scheduler.step();
        TrainingCheckpoint.Save(directory.Path, whole, optimizer, scheduler);

        using var again = optim.AdamW(whole.parameters(), 0.01);
        var bound = Schedule.Bind(again);
        TrainingCheckpoint.Load(directory.Path, whole, again, bound).Should().Be(4);
        scheduler.step();
        bound.step();

        bound.CompletedSteps.Should().Be(5);
        bound.get_last_lr().Should().Equal(scheduler.get_last_lr());
    }

    [Fact]
    public void Scheduler_that_cannot_be_put_anywhere_is_refused_before_anything_is_loaded()
    {
        using var directory = new TemporaryDirectory();
        using var model = Seeded(new OpenNetwork());
        using var optimizer = GaLore.AdamW(model.named_parameters(), lr: 0.01, rank: 4);
        Step(model, optimizer);
        TrainingCheckpoint.Save(directory.Path, model, optimizer);
        using var other = Seeded(new OpenNetwork(), seed: 99);
        using var again = GaLore.AdamW(other.named_parameters(), lr: 0.01, rank: 4);
        var before = Weights(other);

        var load = () => TrainingCheckpoint.Load(directory.Path, other, again, optim.lr_scheduler.StepLR(again, 2));

        load.Should().Throw<ArgumentException>().WithMessage("*StepLR*Bind*Nothing was changed*");
        Weights(other).Should().BeEquivalentTo(before);
        again.CompletedSteps.Should().Be(0);
    }

    private static void Train(OpenNetwork model, LowRankOptimizer optimizer, BoundSchedule scheduler, int steps)
    {
        for (var step = 0; step < steps; step++)
        {
            Step(model, optimizer);
            scheduler.step();
        }
    }
}
