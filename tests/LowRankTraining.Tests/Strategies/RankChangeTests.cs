using FluentAssertions;
using LowRankTraining.Layers;
using LowRankTraining.Schedules;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Adapters;
using TorchSharp;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Strategies;

public class RankChangeTests
{
    private const int ChangeAt = 6;

    private static readonly IRankSchedule Falling = new LinearRank { From = 1, To = 0.25, Start = 0, End = ChangeAt, Every = ChangeAt };
    private static readonly IRankSchedule Growing = new LinearRank { From = 0.25, To = 1, Start = 0, End = ChangeAt, Every = ChangeAt };

    public static TheoryData<string, Injection> Changes
    {
        get
        {
            var data = new TheoryData<string, Injection>();
            foreach (var change in new[] { nameof(Falling), nameof(Growing) })
                foreach (var way in new[] { Injection.Replace, Injection.Hook, Injection.Shadow })
                    data.Add(change, way);
            return data;
        }
    }

    [Theory, MemberData(nameof(Changes))]
    public void Function_stays_and_training_goes_on_from_it(string change, Injection way)
    {
        using var changing = new Run(way, Schedule(change));
        using var staying = new Run(way, new LinearRank { From = changing.RankNow / 8.0, To = 1, Start = 1000, End = 1001 });
        changing.Steps(ChangeAt);
        staying.Steps(ChangeAt);

        changing.Rank.Should().NotBe(staying.Rank);
        Distance(Output(changing.Model), Output(staying.Model)).Should().BeLessThan(1e-5);

        changing.Steps(3);
        changing.Optimizer.Session.Finish();
        Output(changing.Model).Should().OnlyContain(value => double.IsFinite(value));
    }

    [Theory]
    [InlineData(nameof(Falling), false)]
    [InlineData(nameof(Falling), true)]
    [InlineData(nameof(Growing), false)]
    [InlineData(nameof(Growing), true)]
    public void Shadow_follows_replacement_through_a_change(string change, bool resets)
    {
        using var shadowed = new Run(Injection.Shadow, Schedule(change), resets, ScalarType.Float64);
        using var replaced = new Run(Injection.Replace, Schedule(change), resets, ScalarType.Float64);

        shadowed.Steps(ChangeAt + 4);
        replaced.Steps(ChangeAt + 4);

        Distance(Output(shadowed.Model), Output(replaced.Model)).Should().BeLessThan(1e-6);
        shadowed.Rank.Should().Be(replaced.Rank).And.Be(change == nameof(Falling) ? 2 : 8);
    }

    [Fact]
    public void Moments_follow_by_the_map_of_the_other_factor()
    {
        using var scope = NewDisposeScope();
        using var changing = new Run(Injection.Replace, Falling, dtype: ScalarType.Float64);
        using var staying = new Run(Injection.Replace, schedule: null, dtype: ScalarType.Float64);
        changing.Steps(ChangeAt);
        staying.Steps(ChangeAt);

        using var reduced = RankReduction.Reduce(staying.Layer.lora_A, staying.Layer.lora_B, 2);
        var (a, oldA) = (changing.Optimizer.StateOf(changing.Layer.lora_A), staying.Optimizer.StateOf(staying.Layer.lora_A));
        var (b, oldB) = (changing.Optimizer.StateOf(changing.Layer.lora_B), staying.Optimizer.StateOf(staying.Layer.lora_B));

        Draw.Error(a["exp_avg"], reduced.MapOfB.mm(oldA["exp_avg"])).Should().BeLessThan(1e-9);
        Draw.Error(a["exp_avg_sq"], reduced.MapOfB.square().mm(oldA["exp_avg_sq"])).Should().BeLessThan(1e-9);
        Draw.Error(b["exp_avg"], oldB["exp_avg"].mm(reduced.MapOfA.t())).Should().BeLessThan(1e-9);
        Draw.Error(b["exp_avg_sq"], oldB["exp_avg_sq"].mm(reduced.MapOfA.square().t())).Should().BeLessThan(1e-9);
        a.Counter("step").Should().Be(ChangeAt);
    }

    [Fact]
    public void State_can_start_anew_instead()
    {
        using var changing = new Run(Injection.Replace, Falling, resets: true);
        changing.Steps(ChangeAt);

        foreach (var factor in new[] { changing.Layer.lora_A, changing.Layer.lora_B })
        {
            changing.Optimizer.StateOf(factor).Bytes.Should().Be(0);
            changing.Optimizer.StateOf(factor).Counter("step").Should().Be(0);
        }
    }

    [Fact]
    public void New_rows_are_drawn_and_their_columns_are_zero()
    {
        using var changing = new Run(Injection.Replace, Growing);
        changing.Steps(ChangeAt);

        using var scope = NewDisposeScope();
        Values(changing.Layer.lora_A.narrow(0, 2, 6)).Should().OnlyContain(value => value != 0 && Math.Abs(value) <= 1 / Math.Sqrt(12));
        Values(changing.Layer.lora_B.narrow(1, 2, 6)).Should().OnlyContain(value => value == 0);
        Values(changing.Layer.lora_B.narrow(1, 0, 2)).Should().Contain(value => value != 0);
    }

    [Theory]
    [InlineData(nameof(Falling), false)]
    [InlineData(nameof(Falling), true)]
    [InlineData(nameof(Growing), false)]
    [InlineData(nameof(Growing), true)]
    public void No_update_is_out_of_proportion_after_a_change(string change, bool resets)
    {
        using var changing = new Run(Injection.Replace, Schedule(change), resets, rate: 1e-3);
        changing.Steps(ChangeAt);

        for (var step = 0; step < 3; step++)
        {
            double[] before = [.. Values(changing.Layer.lora_A), .. Values(changing.Layer.lora_B)];
            changing.Steps(1);
            double[] after = [.. Values(changing.Layer.lora_A), .. Values(changing.Layer.lora_B)];
            after.Zip(before, (now, then) => Math.Abs(now - then)).Max().Should().BeInRange(1e-6, 1e-2);
        }
    }

    [Fact]
    public void Rank_that_falls_before_anything_is_learnt_leaves_factors_that_learn()
    {
        using var changing = new Run(Injection.Replace, Falling, rate: 0);
        var output = Output(changing.Model);
        changing.Steps(ChangeAt);

        Distance(Output(changing.Model), output).Should().BeLessThan(1e-6);
        Values(changing.Layer.lora_A).Should().Contain(value => Math.Abs(value) > 0.05);
    }

    [Fact]
    public void ReLoRA_looks_at_its_schedule_at_restarts()
    {
        using var model = Seeded(new OpenNetwork());
        var schedule = new LinearRank { From = 0.25, To = 1, End = 6 };
        using var optimizer = new ReLoRA { Rank = 8, Alpha = 8, MergeEvery = 3, RankSchedule = schedule }.Attach(model).CreateOptimizer(0.01);
        List<long> ranks = [];

        for (var step = 0; step < 7; step++)
        {
            ranks.Add(((AdapterSession)optimizer.Session).Layers[0].Rank);
            Step(model, optimizer);
        }

        ranks.Should().Equal(2, 2, 2, 5, 5, 5, 8);
    }

    private static IRankSchedule Schedule(string change) => change == nameof(Falling) ? Falling : Growing;

    private sealed class Run : IDisposable
    {
        public Run(Injection way, IRankSchedule? schedule, bool resets = false, ScalarType dtype = ScalarType.Float32,
            double rate = 0.01)
        {
            Model = Seeded(new OpenNetwork(dtype));
            Optimizer = new LoRA { Rank = 8, Alpha = 8, Injection = way, RankSchedule = schedule, ResetsOnRankChange = resets }
                .Attach(Model).CreateOptimizer(rate);
            RankNow = Rank;
        }

        public OpenNetwork Model { get; }

        public LowRankOptimizer Optimizer { get; }

        public long RankNow { get; }

        public long Rank => ((AdapterSession)Optimizer.Session).Layers[0].Rank;

        public LowRankLinear Layer => (LowRankLinear)Model.named_children().First().module;

        public void Steps(int count) => Training.Run(Model, Optimizer, count);

        public void Dispose()
        {
            Optimizer.Dispose();
            Model.Dispose();
        }
    }
}
