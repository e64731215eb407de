using FluentAssertions;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Strategies;

/// <summary>What a method is for in models whose names tell nothing, and what its defaults may cost.</summary>
public class CoverageTests
{
    [Fact]
    public void Head_is_known_by_its_size_where_its_name_does_not_tell()
    {
        using var model = new Translator();

        Projected(new GaLore { Rank = 4 }, model).Should().Equal("mixer.weight");
        new LoRA { Rank = 4 }.Attach(model).Layers.Select(layer => layer.Name).Should().Equal("mixer.weight");
    }

    /// <summary>TorchSharp's module of native code has another name than its type.</summary>
    [Fact]
    public void Table_of_a_bag_is_one_like_any_other()
    {
        using var model = new Bag();
        var method = new GaLore { Rank = 4, TableStates = StateFormat.Blockwise8Bit };

        Projected(method, model).Should().Equal("mixer.weight");
        Targets.AllMatrices().Inspect(model).Should().Equal("mixer.weight", "head.weight");
        Targets.Matching("bag").Invoking(table => new LoRA().Attach(model, table)).Should().Throw<ArgumentException>().WithMessage("*table of an embedding*");
        using var session = method.Attach(model);
        MemoryPlan.For(model, method).StateBytes.Should().Be(MemoryPlan.For(session).StateBytes);
    }

    /// <summary>What is left out of a method's own choice: head, table and convolution are no targets because of that.</summary>
    [Fact]
    public void What_is_left_out_of_the_own_choice_is_all_that_changes()
    {
        using var model = nn.Sequential(
            ("table", nn.Embedding(24, 8)), ("first", nn.Linear(8, 8)), ("gate", nn.Linear(8, 8)), ("picture", nn.Conv2d(8, 8, 3)), ("last", nn.Linear(8, 24)));
        var targets = Targets.Default().Except("gate");

        using (var projected = new GaLore { Rank = 4 }.Attach(model, targets))
            projected.Parameters.Where(plan => plan.Rule is SubspaceRule).Select(plan => plan.Name).Should().Equal("first.weight", "picture.weight");
        using (var guarded = new Spam().Attach(model, targets))
            guarded.Parameters.Where(plan => plan.Rule is not GuardedRule).Select(plan => plan.Name).Should().Equal("gate.weight", "gate.bias");
        targets.Inspect(model).Should().Equal("first.weight", "picture.weight");
        targets.Except("first").Inspect(model).Should().Equal("picture.weight");

        using (var adapted = new LoRA { Rank = 4 }.Attach(model, targets))
        {
            adapted.Layers.Select(layer => layer.Name).Should().Equal("first.weight");
            adapted.Finish();
        }

        using var whole = new LoRA { Rank = 4 }.Attach(model, Targets.Default());
        whole.Layers.Select(layer => layer.Name).Should().Equal("first.weight", "gate.weight");
    }

    [Fact]
    public void Layer_as_wide_as_a_table_is_long_is_no_head_where_there_are_several()
    {
        using var model = nn.Sequential(("positions", nn.Embedding(16, 8)), ("wide", nn.Linear(8, 16)), ("again", nn.Linear(16, 16)));

        Projected(new GaLore { Rank = 4 }, model).Should().Equal("wide.weight", "again.weight");
    }

    [Theory]
    [InlineData("mixr", "*'mixr' is in no name. The nearest names are mixer, *")]
    [InlineData("Mixer", "*'Mixer' is in no name. The nearest names are mixer, *")]
    [InlineData("mixers.weight", "*'mixers.weight' is in no name. The nearest names are mixer.weight, *")]
    [InlineData("a.longer.name.than.any.has.mixer.weight", "*The nearest names are mixer.weight, *")]
    public void Pattern_in_no_name_is_told_what_comes_near(string pattern, string message)
    {
        using var model = new Translator();
        foreach (var method in new ILowRankStrategy[] { new LoRA { Rank = 4 }, new GaLore { Rank = 4 } })
            method.Invoking(it => it.Attach(model, Targets.Matching(pattern).Except("x"))).Should().Throw<ArgumentException>().WithMessage(message);

        new LoRA { Rank = 4 }.Invoking(it => it.Attach(model, Targets.Matching("mixer").Except("mixer")))
            .Should().Throw<ArgumentException>().Which.Message.Should().NotContain("nearest", "the name is there");
    }

    /// <summary>One pattern of several: the others choose something, and the run goes on.</summary>
    [Theory]
    [InlineData("galore"), InlineData("lora")]
    public void Pattern_without_effect_beside_others_is_warned_about(string method)
    {
        using var model = new Translator();
        var logger = new RecordingLogger();

        using var session = (method == "lora" ? (ILowRankStrategy)new LoRA { Rank = 4, Logger = logger } : new GaLore { Rank = 4, Logger = logger })
            .Attach(model, Targets.Matching("mixer", "mixr", "bias").Except("decodr", "encoder"));

        logger.Lines.Should().ContainSingle(line => line.Contains("without effect")).Which.Should()
            .StartWith($"{method}: patterns of the targets without effect in this model: 'mixr' is in no name. The nearest names are mixer,")
            .And.Contain("'bias' is in the names of vectors and of tables of embeddings alone, which are never chosen.")
            .And.Contain("'decodr' is in no name. The nearest names are decoder,").And.EndWith("It leaves nothing out.")
            .And.NotContain("'encoder'", "it is a name, if of a table");
        using var optimizer = session.CreateOptimizer();
        foreach (var text in new[] { session.Describe(), optimizer.Describe() })
            text.Should().Contain("'mixr' is in no name.").And.Contain("'decodr' is in no name.").And.NotContain("'encoder'");
    }

    [Fact]
    public void Pattern_without_effect_is_told_by_what_a_plan_of_ranks_prints()
    {
        using var model = new Translator();

        $"{WeLorePlan.For(model, Targets.Matching("mixer", "mixr"))}".Should().Contain("'mixr' is in no name. The nearest names are mixer,");
        $"{WeLorePlan.For(model, Targets.Matching("mixer"))}".Should().EndWith("parameters");
    }

    [Fact]
    public void Pattern_without_effect_in_a_part_that_is_quantized_is_warned_about()
    {
        using var model = new Translator();
        var logger = new RecordingLogger();

        new QGaLore { Logger = logger }.Quantize(model, Targets.Matching("mixer", "mixr"));

        logger.Lines.Should().ContainSingle().Which.Should().StartWith("q-galore: patterns of the targets without effect in this model: 'mixr' is in no name.");
    }

    [Fact]
    public void Names_that_the_own_choice_leaves_out_need_not_be_there()
    {
        using var model = new Translator();
        var logger = new RecordingLogger();

        using (new GaLore { Rank = 4, Logger = logger }.Attach(model, Targets.Default()))
            logger.Lines.Should().NotContain(line => line.Contains("without effect"));
        using (new GaLore { Rank = 4, Logger = logger }.Attach(model, Targets.Default().Except("lm_head")))
            logger.Lines.Should().ContainSingle(line => line.Contains("'lm_head' is in no name") && !line.Contains("'embed'"));
    }

    [Fact]
    public void Targets_that_leave_most_of_a_model_out_are_warned_about()
    {
        using var model = nn.Sequential(("convolution", nn.Conv2d(16, 32, 3)), ("classes", nn.Linear(32, 10)));
        var logger = new RecordingLogger();

        using var session = new LoRA { Rank = 4, Logger = logger }.Attach(model, Targets.AllLinear());

        logger.Lines.Should()
            .ContainSingle(line => line.Contains("only 6.4 %") && line.Contains("convolution.weight (32 × 16 × 3 × 3)") && line.Contains("Targets"));
    }

    [Fact]
    public void Attention_that_has_no_linear_children_is_named()
    {
        using var model = nn.Sequential(("encoder", nn.TransformerEncoderLayer(32, 4, 8)), ("classes", nn.Linear(32, 3)));
        var logger = new RecordingLogger();

        using var session = new GaLore { Rank = 2, Logger = logger }.Attach(model, Targets.AllLinear());

        logger.Lines.Should().Contain(line => line.Contains("only") && line.Contains("in_proj_weight"));
    }

    [Fact]
    public void Share_that_is_covered_is_reported_without_a_warning()
    {
        using var model = new Translator();
        var logger = new RecordingLogger();

        Projected(new GaLore { Rank = 4, Logger = logger }, model);

        logger.Lines.Should().Equal("galore: the targets are 1 matrices with 6.0 % of the model's numbers");
    }

    public static TheoryData<string> Projecting =>
        [.. LowRankStrategies.All.Where(method => method.Create() is GradientSpaceMethod or Flora).Select(method => method.Name)];

    [Theory, MemberData(nameof(Projecting))]
    public void No_default_takes_more_state_than_AdamW(string name)
    {
        long[][] shapes = [[64, 256], [64, 512], [256, 64], [16, 16], [8, 2000], [32, 3, 3, 3], [1, 40], [200, 1], [1024, 4096]];
        var model = shapes.Select((shape, index) => ($"layer{index}.weight", shape));

        var plan = MemoryPlan.For(model, name == "q-galore" ? new QGaLore { QuantizesWeights = false } : LowRankStrategies.Create(name));

        plan.Parameters.Should().OnlyContain(parameter => parameter.StateBytes <= parameter.AdamWBytes + 64);
        plan.Parameters[^1].StateBytes.Should().BeLessThan(plan.Parameters[^1].AdamWBytes * 2 / 3);
    }

    [Fact]
    public void Rank_that_is_asked_for_is_taken_whatever_it_costs()
    {
        (string, long[])[] model = [("layer.weight", [64, 512])];

        MemoryPlan.For(model, new GaLore { Rank = 64 }).ShareOfAdamW.Should().BeGreaterThan(1);
        MemoryPlan.For(model, new GaLore()).ShareOfAdamW.Should().Be(1);
    }

    [Fact]
    public void Matrices_that_are_spared_are_named()
    {
        using var model = nn.Sequential(("small", nn.Linear(64, 64)), ("large", nn.Linear(512, 1024)));
        var logger = new RecordingLogger();

        Projected(new Fira { Logger = logger }, model).Should().Equal("large.weight");

        logger.Lines.Should()
            .Contain(line => line.Contains("more state than AdamW for 1 small matrices") && line.Contains("small.weight") && line.Contains("Set Rank"));
    }

    /// <summary>Also where a matrix is square, or has one row. What is Adam with more beside it has that: Stable-SPAM's guard keeps three scalars.</summary>
    [Theory, MemberData(nameof(GradientSpace))]
    public void No_small_matrix_takes_more_state_than_AdamW_unless_a_rank_is_asked_for(string method)
    {
        var sides = Enumerable.Range(1, 64).Select(side => (long)side).ToArray();
        (string, long[])[] model =
        [
            .. sides.SelectMany(rows => sides.Append(257).Select(columns => ($"m{rows}.n{columns}.weight", (long[])[rows, columns]))),
            ("lm_head.weight", [257, 64]),
        ];

        var plan = MemoryPlan.For(model, LowRankStrategies.Create(method));

        plan.Parameters.Where(matrix => matrix.StateBytes > matrix.AdamWBytes + (method == "stable-spam" ? 3 * sizeof(float) : 0)).Should().BeEmpty();
    }

    public static TheoryData<string> GradientSpace =>
        [.. LowRankStrategies.All.Where(method => method.Create() is UpdateMethod).Select(method => method.Name)];

    /// <summary>A rank that somebody asked for is taken whatever it costs, and so is every rank where what is not adapted is frozen.</summary>
    [Theory, MemberData(nameof(WeightSpace))]
    public void Factors_that_take_more_state_than_AdamW_are_named(string method)
    {
        using var model = SmallAndLarge();
        using var session = LowRankStrategies.Parse($$"""{ "Method": "{{method}}", "Rank": 200 }""").Attach(model);

        session.Describe().Split(Environment.NewLine)
            .Any(line => line.Contains("small") && line.Contains("of AdamW's state for the weight"))
            .Should().Be(StateOf("small", session) > 2 * sizeof(float) * 6 * 6);
    }

    /// <summary>PRILoRA counts its inputs, and SwitchLoRA and InRank the steps of each vector: most of it is the rank.</summary>
    [Theory, MemberData(nameof(WeightSpace))]
    public void Small_matrices_have_no_factors_of_a_rank_that_nobody_asked_for(string method)
    {
        using var model = SmallAndLarge();
        var strategy = (WeightSpaceMethod)LowRankStrategies.Create(method);
        using var session = (strategy with { TrainOthers = true }).Attach(model);

        foreach (var (name, numbers) in new[] { ("small", 6 * 6), ("middle", 6 * 512), ("large", 512 * 512) })
            StateOf(name, session).Should().BeLessThanOrEqualTo((long)(1.1 * 2 * sizeof(float) * numbers), name);
    }

    /// <summary>InRank begins with a rank of 2, which no matrix of this size is too small for.</summary>
    [Theory, MemberData(nameof(WeightSpace))]
    public void Small_matrices_are_trained_as_they_are_and_that_is_said(string method)
    {
        using var model = nn.Sequential(("small", nn.Linear(4, 4)), ("head", nn.Linear(4, 2)));
        var logger = new RecordingLogger();
        var strategy = (WeightSpaceMethod)LowRankStrategies.Create(method) with { TrainOthers = true, Logger = logger };
        using var session = strategy.Attach(model, Targets.AllLinear().Except("head"));
        session.Layers.Should().HaveCount(method == "inrank" ? 1 : 0);
        if (method == "inrank")
            return;

        session.Describe().Should().Contain("small.weight: its factors would take more state than AdamW").And.Contain("Set Rank");
        logger.Lines.Should().Contain(line => line.Contains("1 small matrices") && line.Contains("small.weight"));
        var before = model.get_parameter("small.weight")!.clone();
        using var optimizer = session.CreateOptimizer(0.01);
        for (var step = 0; step < 3; step++)
        {
            optimizer.zero_grad();
            model.call(randn(8, 4)).square().mean().backward();
            optimizer.step();
        }

        session.Finish();
        model.get_parameter("small.weight")!.Should().NotBe(before);
        model.named_parameters().Should().HaveCount(4);
    }

    private static long StateOf(string layer, ILowRankSession session) => MemoryPlan.For(session).Parameters
        .Where(parameter => parameter.Name.StartsWith($"{layer}.", StringComparison.Ordinal) && parameter.Shape.Count > 1)
        .Sum(parameter => parameter.StateBytes);

    private static nn.Module<Tensor, Tensor> SmallAndLarge() =>
        nn.Sequential(("small", nn.Linear(6, 6)), ("middle", nn.Linear(6, 512)), ("large", nn.Linear(512, 512)));

    public static TheoryData<string> WeightSpace =>
        [.. LowRankStrategies.All.Where(method => method.Create() is WeightSpaceMethod and not WeLore).Select(method => method.Name)];

    private static IEnumerable<string> Projected(ILowRankStrategy method, nn.Module model) =>
        method.Attach(model).Parameters.Where(plan => plan.Rule is SubspaceRule).Select(plan => plan.Name);

    /// <summary>An embedding called encoder, and a head called decoder.</summary>
    private sealed class Translator : nn.Module<Tensor, Tensor>
    {
#pragma warning disable CA2213 // Registered modules are disposed with this one.
        private readonly Embedding encoder = nn.Embedding(120, 16);
        private readonly nn.Module<Tensor, Tensor> mixer = nn.Linear(16, 16);
        private readonly nn.Module<Tensor, Tensor> decoder = nn.Linear(16, 120);
#pragma warning restore CA2213

        public Translator() : base(nameof(Translator)) => RegisterComponents();

        public override Tensor forward(Tensor input) => decoder.call(mixer.call(encoder.call(input)));
    }

    private sealed class Bag : nn.Module<Tensor, Tensor>
    {
#pragma warning disable CA2213 // Registered modules are disposed with this one.
        private readonly EmbeddingBag bag = nn.EmbeddingBag(1024, 16);
        private readonly nn.Module<Tensor, Tensor> mixer = nn.Linear(16, 16);
        private readonly nn.Module<Tensor, Tensor> head = nn.Linear(16, 1024);
#pragma warning restore CA2213

        public Bag() : base(nameof(Bag)) => RegisterComponents();

        public override Tensor forward(Tensor input) => head.call(mixer.call(bag.call(input)));
    }
}
