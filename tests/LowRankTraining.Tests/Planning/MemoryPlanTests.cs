using FluentAssertions;
using LowRankTraining.Layers;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Adapters;
using LowRankTraining.Tests.Optimizer;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Planning;

public class MemoryPlanTests
{
    [Fact]
    public void GaLore_with_8_bit_states_needs_about_a_fifth_of_AdamWs_state_for_350_million_parameters()
    {
        var plan = MemoryPlan.For(Llama350M(), new GaLore { Rank = 256, States = StateFormat.Blockwise8Bit });

        plan.AdamWBytes.Should().Be(2 * 4 * (24 * (4L * 1024 * 1024 + 3L * 1024 * 2736) + 2L * 32000 * 1024 + 49 * 1024));
        plan.ShareOfAdamW.Should().BeApproximately(0.224, 0.001, "the table of the embedding stays float32");
        MemoryPlan.For(Llama350M(), new GaLore { Rank = 256, States = StateFormat.Blockwise8Bit, TableStates = StateFormat.Blockwise8Bit })
            .ShareOfAdamW.Should().BeInRange(0.1, 0.20);
    }

    [Fact]
    public void State_of_a_matrix_follows_the_formula()
    {
        var plan =
            MemoryPlan.For([("layer.weight", new long[] { 64, 256 })], new GaLore { Rank = 32, States = StateFormat.Blockwise8Bit }, ScalarType.BFloat16);

        var matrix = plan.Parameters.Single();
        matrix.StateBytes.Should().Be(4 * 64 * 32 + 2 * (256 * 32 + 4 * 256 * 32 / 256));
        matrix.WeightBytes.Should().Be(2 * 64 * 256);
        matrix.GradientBytes.Should().Be(2 * 64 * 256);
        matrix.AdamWBytes.Should().Be(2 * 4 * 64 * 256);
        matrix.Layout.Should().Contain("rank 32 of 64").And.Contain("8 bit");
    }

    [Fact]
    public void Planned_for_shapes_equals_planned_for_the_model_and_measured()
    {
        using var scope = NewDisposeScope();
        using var model = nn.Sequential(("embed", nn.Embedding(30, 8)), ("body", nn.Linear(8, 12)), ("lm_head", nn.Linear(12, 30)));
        var strategy = new Fira { Rank = 4 };
        using var optimizer = strategy.Attach(model).CreateOptimizer();

        LowRankOptimizerTests.Step(optimizer, [.. optimizer.Session.Parameters.Select(plan => plan.Parameter)]);

        var ofModel = MemoryPlan.For(optimizer.Session);
        var ofShapes = MemoryPlan.For(model.named_parameters().Select(pair => (pair.name, pair.parameter.shape)), strategy);
        ofModel.StateBytes.Should().Be(optimizer.StateBytes);
        ofShapes.Parameters.Should().BeEquivalentTo(ofModel.Parameters, options => options.WithStrictOrdering());
    }

    [Fact]
    public void Weight_in_8_bits_is_counted_as_it_is_stored()
    {
        using var scope = NewDisposeScope();
        using var layer = new Int8Linear(nn.Linear(64, 32, hasBias: false));
        using var session = new FixedSession(new ParameterPlan("weight", layer.named_parameters().Single().parameter, new AdamRule()) { Store = layer });

        var weight = MemoryPlan.For(session).Parameters.Single();

        weight.WeightBytes.Should().Be(layer.WeightBytes).And.BeLessThan(32 * 64 * 2);
        weight.GradientBytes.Should().Be(32 * 64 * 4);
    }

    [Theory]
    [InlineData(Injection.Auto, false)]
    [InlineData(Injection.Auto, true)]
    [InlineData(Injection.Hook, false)]
    [InlineData(Injection.Shadow, false)]
    [InlineData(Injection.Shadow, true)]
    public void Warm_start_takes_no_more_than_planned(Injection injection, bool passesHooksBy)
    {
        using var model = Training.Seeded(new SealedNetwork(passesHooksBy));
        using var optimizer = new ReLoRA { Rank = 2, WarmStartSteps = 2, MergeEvery = 2, Injection = injection }.Attach(model).CreateOptimizer();
        var planned = MemoryPlan.For(optimizer.Session).StateBytes;

        for (var step = 1; step <= 6; step++)
        {
            Training.Step(model, optimizer);
            optimizer.StateBytes.Should().BeLessThanOrEqualTo(MemoryPlan.For(optimizer.Session).StateBytes).And.BeLessThanOrEqualTo(planned);
        }
    }

    [Fact]
    public void Parameters_that_no_model_has_are_refused()
    {
        foreach (var method in new ILowRankStrategy[] { new GaLore { Rank = 4 }, new LoRA { Rank = 4 }, new QGaLore { Rank = 4 } })
        {
            foreach (var shape in new long[]?[] { [-3, 5], [long.MaxValue, 64], null })
                FluentActions.Invoking(() => MemoryPlan.For([("a.weight", shape!)], method)).Should().Throw<ArgumentException>()
                    .WithMessage("'a.weight' of shape * is no parameter*");
            FluentActions.Invoking(() => MemoryPlan.For([("a.weight", [64, 64]), ("a.weight", [64, 32])], method)).Should().Throw<ArgumentException>()
                .WithMessage("Two parameters are called 'a.weight'*");
            FluentActions.Invoking(() => MemoryPlan.For([("a.weight", [64, 64])], method, ScalarType.Int8)).Should().Throw<ArgumentException>()
                .WithMessage("Weights of Int8 cannot be trained*");
        }

        FluentActions.Invoking(() => MemoryPlan.For([("a.weight", [64, 64])], new GaLore { Rank = 4 }).PeakBytes(-1))
            .Should().Throw<ArgumentOutOfRangeException>();
    }

    [Fact]
    public void Rule_without_state_is_planned_without()
    {
        using var scope = NewDisposeScope();
        using var weight = new Parameter(zeros(4, 6));
        using var session = new FixedSession(new ParameterPlan("weight", weight, new Silent()));

        var plan = MemoryPlan.For(session);

        plan.Parameters.Single().StateBytes.Should().Be(0);
        plan.ToString().Should().Contain("Silent");
    }

    [Fact]
    public void Table_has_a_line_for_every_kind_of_parameter_and_a_total()
    {
        var table = MemoryPlan.For(Llama350M(), new GaLore { Rank = 256 }).ToString();

        var lines = table.Split(Environment.NewLine);
        lines.Should().HaveCount(1 + 5 + 1, "there are square, wide and tall matrices, tables and norms");
        lines[0].Should().ContainAll("count", "shape", "weights", "gradients", "state", "AdamW's", "rule");
        lines.Should().Contain(line => line.Contains("96 ×") && line.Contains("1024 × 1024") && line.Contains("384.00 MiB"));
        lines[^1].Should().ContainAll("219 ×", "all", "% of AdamW's");
    }

    [Fact]
    public void Table_of_a_small_model_is_in_KiB()
    {
        var table = MemoryPlan.For([("weight", new long[] { 64, 128 })], new GaLore { Rank = 8 }).ToString();

        table.Should().Contain("32.0 KiB").And.NotContain("MiB");
    }

    /// <summary>A weight of 8 GiB, whose 8-bit layer is planned without any of it.</summary>
    [Fact]
    public void Weights_in_8_bits_are_planned_for_shapes_alone()
    {
        const long Side = 1 << 16, Rank = 256;

        var plan = MemoryPlan.For(
            [("proj.weight", new[] { Side, Side })], new QGaLore { Rank = (int)Rank }, ScalarType.BFloat16, gradients: GradientFlow.Stepped);

        plan.WeightBytes.Should().Be(Side * Side + 5 * Side * Side / 256);
        plan.GradientBytes.Should().Be(0);
        plan.StateBytes.Should().BeInRange(Side * Rank / 2 + 2 * Side * Rank, (long)(1.03 * (Side * Rank / 2 + 2 * Side * Rank)));
    }

    public static TheoryData<WeightSpaceMethod, long> Shadowed => new()
    {
        { new ReLoRA { Rank = 3, Injection = Injection.Shadow }, 3 * (20 + 30) },
        { new LoRA { Rank = 3, Injection = Injection.Shadow }, 3 * (20 + 30) },
        { new SLTrain { Rank = 3, Density = 0.1, Injection = Injection.Shadow }, 3 * (20 + 30) + 20 * 30 / 10 },
    };

    /// <summary>Of a shadowed weight the gradients of its parts are all that is held until the step.</summary>
    [Theory, MemberData(nameof(Shadowed))]
    public void Gradients_of_shadowed_parts_are_planned_as_they_are_summed_up(WeightSpaceMethod method, long numbers)
    {
        using var scope = NewDisposeScope();
        using var model = nn.Sequential(("body", nn.Linear(20, 30, hasBias: false)));
        using var optimizer = method.Attach(model, Targets.AllLinear(), GradientFlow.Projected).CreateOptimizer(1e-3);
        model.call(randn(4, 20)).square().mean().backward();

        MemoryPlan.For(optimizer.Session).GradientBytes.Should().Be(sizeof(float) * numbers);
        optimizer.StateOf(optimizer.Session.Parameters.Single().Parameter)["accumulated"].numel().Should().Be(numbers);
    }

    private static IEnumerable<(string, long[])> Llama350M()
    {
        yield return ("model.embed_tokens.weight", [32000, 1024]);
        for (var layer = 0; layer < 24; layer++)
        {
            foreach (var name in new[] { "q_proj", "k_proj", "v_proj", "o_proj" })
                yield return ($"model.layers.{layer}.self_attn.{name}.weight", [1024, 1024]);
            foreach (var name in new[] { "gate_proj", "up_proj" })
                yield return ($"model.layers.{layer}.mlp.{name}.weight", [2736, 1024]);
            yield return ($"model.layers.{layer}.mlp.down_proj.weight", [1024, 2736]);
            yield return ($"model.layers.{layer}.input_layernorm.weight", [1024]);
            yield return ($"model.layers.{layer}.post_attention_layernorm.weight", [1024]);
        }

        yield return ("model.norm.weight", [1024]);
        yield return ("lm_head.weight", [32000, 1024]);
    }

    private sealed record Silent : UpdateRule
    {
        public override void AddUpdate(Tensor gradient, Tensor accumulator, double scale, StateBag state, in StepContext step) { }
    }
}
