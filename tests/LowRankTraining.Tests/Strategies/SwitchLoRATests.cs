using FluentAssertions;
using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Adapters;
using Microsoft.Extensions.Options;
using TorchSharp;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Strategies;

public class SwitchLoRATests
{
    [Theory]
    [InlineData(Injection.Replace)]
    [InlineData(Injection.Hook)]
    public void Attaching_keeps_the_function_with_both_factors_random(Injection way)
    {
        using var model = Seeded(new OpenNetwork());
        var before = Output(model);

        using var optimizer = Attach(model, new() { Injection = way });

        Distance(Output(model), before).Should().BeLessThan(1e-5);
        foreach (var name in new[] { "first.lora_A", "first.lora_B" })
            Values(model.named_parameters().First(pair => pair.name == name).parameter).Should().NotContain(0);
    }

    [Fact]
    public void Start_has_the_variance_of_a_fresh_weight()
    {
        using var scope = NewDisposeScope();
        using var model = nn.Sequential(nn.Linear(300, 200, hasBias: false));
        using var session = new SwitchLoRA { Rank = 64 }.Attach(model);
        var (a, b) =
            (model.named_parameters().First(pair => pair.name == "0.lora_A").parameter.detach(),
                model.named_parameters().First(pair => pair.name == "0.lora_B").parameter.detach());

        // s B A has r σ_A² σ_B² s² = 1 / (3 n) for s = 1/r: the variance of U(−1/√n, 1/√n).
        b.mm(a).div(64).std().ToDouble().Should().BeApproximately(1 / Math.Sqrt(3 * 300), 0.003);
        a.std().ToDouble().Should().BeApproximately(Math.Pow(Math.Sqrt(200) * 64 / Math.Pow(300, 1.5), 0.25) * Math.Sqrt(Math.Sqrt(2 / 6.0)), 0.01);
    }

    [Fact]
    public void Exchange_keeps_the_function_and_changes_one_row_and_one_column()
    {
        using var model = Seeded(new OpenNetwork(ScalarType.Float64));
        using var twin = Seeded(new OpenNetwork(ScalarType.Float64));
        using var optimizer = Attach(model, new() { SwitchEvery = 12 });
        using var reference = Attach(twin, new() { SwitchEvery = 1e9 });
        Run(model, optimizer, 3);
        Run(twin, reference, 3);

        Distance(Output(model), Output(twin)).Should().BeLessThan(1e-12);
        var (layer, old) = (Layer(model), Layer(twin));
        RowsThatDiffer(Values(layer.lora_A), Values(old.lora_A), 12).Should().Equal(0);
        using var scope = NewDisposeScope();
        RowsThatDiffer(Values(layer.lora_B.t()), Values(old.lora_B.t()), 16).Should().Equal(2);
    }

    [Fact]
    public void Counterpart_is_held_still_without_memory_and_then_starts_anew()
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer = Attach(model, new() { SwitchEvery = 16, HoldSteps = 2 });
        Run(model, optimizer, 4);

        // Row 0 of A is new, so column 0 of B waits.
        using var scope = NewDisposeScope();
        var b = Layer(model).lora_B;
        var state = optimizer.StateOf(b);
        double[] Column() => Values(b.select(1, 0));
        var before = Column();
        Values(state["exp_avg"].select(1, 0)).Should().OnlyContain(value => value == 0);

        Run(model, optimizer, 2);
        Column().Should().Equal(before);
        Values(state["vector_steps"]).Should().Equal(0, 6, 6, 6);

        Step(model, optimizer);
        Column().Zip(before, (now, then) => Math.Abs(now - then)).Should()
            .OnlyContain(change => change > 0 && change < 0.0101, "the first step of Adam is the learning rate");
        Values(state["vector_steps"]).Should().Equal(1, 7, 7, 7);
    }

    [Fact]
    public void Vectors_take_turns_and_exchanges_become_rare()
    {
        Exchanges(new() { SwitchEvery = 8 }, steps: 8).Should().Equal(2, 4, 6, 8);

        // Σ 4 qᵘ / 4 with q = 0.3^(1/4): 0.740, 1.288, 1.693, 1.993, 2.215, ... 2.847 at most.
        Exchanges(new() { SwitchEvery = 4, TotalSteps = 40 }, steps: 20).Should().Equal(2, 5);
    }

    [Fact]
    public void No_update_is_out_of_proportion_after_an_exchange()
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer = Attach(model, new() { SwitchEvery = 80, HoldSteps = 1 }, rate: 1e-3);
        Run(model, optimizer, 20);

        for (var step = 0; step < 4; step++)
        {
            double[] before = [.. Values(Layer(model).lora_A), .. Values(Layer(model).lora_B)];
            Step(model, optimizer);
            double[] after = [.. Values(Layer(model).lora_A), .. Values(Layer(model).lora_B)];
            after.Zip(before, (now, then) => Math.Abs(now - then)).Max().Should().BeInRange(1e-6, 1e-2);
        }
    }

    [Fact]
    public void Wrong_options_are_listed_all_at_once()
    {
        var wrong = new SwitchLoRA { SwitchEvery = 0, TotalSteps = 0, SwitchDecay = 2, HoldSteps = -1, Injection = Injection.Shadow };

        FluentActions.Invoking(() => Checks.Require(wrong)).Should().Throw<OptionsValidationException>().Which.Failures.Should().HaveCount(5);
    }

    private static LowRankOptimizer Attach(nn.Module model, SwitchLoRA options, double rate = 0.01) =>
        (options with { Rank = 4, Alpha = 4 }).Attach(model).CreateOptimizer(rate);

    private static LowRankLinear Layer(nn.Module model) => (LowRankLinear)model.named_children().First().module;

    private static IEnumerable<int> RowsThatDiffer(double[] one, double[] other, int width) =>
        one.Chunk(width).Zip(other.Chunk(width)).Select((pair, row) => (row, differs: Distance(pair.First, pair.Second) > 0.01)).Where(pair => pair.differs)
            .Select(pair => pair.row);

    /// <summary>Steps after which the weight beside the factors has changed.</summary>
    private static int[] Exchanges(SwitchLoRA options, int steps)
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer = Attach(model, options);
        return [.. Enumerable.Range(1, steps).Where(_ =>
        {
            var before = Values(Layer(model).weight);
            Step(model, optimizer);
            return !Values(Layer(model).weight).SequenceEqual(before);
        })];
    }
}
