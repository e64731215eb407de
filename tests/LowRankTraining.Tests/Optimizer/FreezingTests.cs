using FluentAssertions;
using LowRankTraining.Checkpoints;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Adapters;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Optimizer;

/// <summary>Parameters that are frozen and thawed while an optimizer or a method is at work.</summary>
public class FreezingTests
{
    private static readonly Dictionary<string, Func<ILowRankStrategy>> GradientSpace = new()
    {
        ["galore"] = () => new GaLore { Rank = 4 },
        ["fira"] = () => new Fira { Rank = 4 },
        ["apollo"] = () => new Apollo { Rank = 4 },
        ["q-galore"] = () => new QGaLore { Rank = 4 },
        ["gradnormlorp"] = () => new GradNormLoRP { Rank = 4 },
        ["stable-spam"] = () => new StableSpam(),
    };

    private static readonly Dictionary<string, Func<ILowRankStrategy>> BesideWeights = new()
    {
        ["lora"] = () => new LoRA { Rank = 4 },
        ["lora, shadowed"] = () => new LoRA { Rank = 4, Injection = LowRankTraining.Layers.Injection.Shadow },
        ["dora"] = () => new DoRA { Rank = 4 },
        ["relora"] = () => new ReLoRA { Rank = 4, MergeEvery = 2 },
        ["prilora"] = () => new PriLoRA { Rank = 4 },
        ["switchlora"] = () => new SwitchLoRA { Rank = 4 },
    };

    public static TheoryData<string> GradientSpaceMethods => [.. GradientSpace.Keys];

    public static TheoryData<string> MethodsBesideWeights => [.. BesideWeights.Keys];

    [Theory]
    [MemberData(nameof(GradientSpaceMethods))]
    public void Backbone_that_is_thawed_after_the_optimizer_was_made_is_trained_and_zeroed(string method)
    {
        using var model = Training.Seeded(new OpenNetwork());
        Freeze(model, "first", "second");
        using var optimizer = new LowRankOptimizer(GradientSpace[method]().Attach(model), lr: 0.01);
        Training.Step(model, optimizer);
        var before = Values(model);
        optimizer.StateBytes.Should().BePositive();
        StateOf(optimizer, model, "second.weight").Should().Be(0, "what is frozen needs no state");

        Thaw(model);
        Training.Step(model, optimizer);

        Values(model)["second.weight"].Should().NotEqual(before["second.weight"]);
        Values(model)["first.bias"].Should().NotEqual(before["first.bias"]);
        StateOf(optimizer, model, "second.weight").Should().BePositive();

        optimizer.zero_grad();
        Of(model, "second.weight").grad!.abs().max().ToDouble().Should().Be(0);
    }

    /// <summary>As LoRA-FA does, which trains B alone.</summary>
    [Theory, InlineData("lora"), InlineData("dora"), InlineData("relora"), InlineData("prilora"), InlineData("switchlora")]
    public void Factor_that_was_frozen_stays_frozen_when_a_checkpoint_is_loaded(string method)
    {
        using var folder = new TemporaryDirectory();
        using var model = Training.Seeded(new OpenNetwork());
        using var optimizer = BesideWeights[method]().Attach(model).CreateOptimizer(0.01);
        var frozen = optimizer.Session.Parameters.First(plan => plan.Name.EndsWith("lora_A", StringComparison.Ordinal)).Parameter;
        frozen.requires_grad = false;
        Training.Run(model, optimizer, 3);
        TrainingCheckpoint.Save(folder.Path, model, optimizer);

        TrainingCheckpoint.Load(folder.Path, model, optimizer);

        frozen.requires_grad.Should().BeFalse();
    }

    [Theory]
    [InlineData(0.0)]
    [InlineData(0.1)]
    public void Parameter_that_is_frozen_on_the_way_keeps_its_values_and_its_state(double decay)
    {
        using var model = Training.Seeded(new OpenNetwork());
        using var optimizer = GaLore.AdamW(model.named_parameters(), lr: 0.01, rank: 4, weight_decay: decay);
        Training.Step(model, optimizer);
        Freeze(model, "second");
        var before = Values(model)["second.weight"];
        var moments = optimizer.StateOf(Of(model, "second.weight"))["exp_avg"].clone();
        var clock = optimizer.StateOf(Of(model, "second.weight")).Counters.ToArray();

        // The gradient of the last step is still there, as after a zero_grad that comes before the freezing.
        for (var step = 0; step < 3; step++)
            Training.Step(model, optimizer);

        Values(model)["second.weight"].Should().Equal(before);
        optimizer.StateOf(Of(model, "second.weight"))["exp_avg"].Equals(moments).Should().BeTrue();
        optimizer.StateOf(Of(model, "second.weight")).Counters.Should().Equal(clock);

        Thaw(model);
        Training.Step(model, optimizer);
        Values(model)["second.weight"].Should().NotEqual(before);
    }

    [Fact]
    public void Gradient_that_was_left_before_the_freezing_is_not_accumulated()
    {
        using var model = Training.Seeded(new OpenNetwork());
        using var optimizer = GaLore.AdamW(model.named_parameters(), lr: 0.01, rank: 4);
        Training.Step(model, optimizer);
        Of(model, "second.weight").grad = ones_like(Of(model, "second.weight"));
        Freeze(model, "second");

        optimizer.accumulate();

        Of(model, "second.weight").grad.Should().NotBeNull();
    }

    [Fact]
    public void Resumed_run_thaws_like_the_uninterrupted_one()
    {
        using var directory = new TemporaryDirectory();
        using var whole = Training.Seeded(new OpenNetwork());
        Freeze(whole, "first");
        using var optimizer = GaLore.AdamW(whole.named_parameters(), lr: 0.01, rank: 4);
        Training.Step(whole, optimizer);
        TrainingCheckpoint.Save(directory.Path, whole, optimizer);

        using var resumed = Training.Seeded(new OpenNetwork(), seed: 3);
        using var again = GaLore.AdamW(resumed.named_parameters(), lr: 0.01, rank: 4);
        TrainingCheckpoint.Load(directory.Path, resumed, again);
        Thaw(whole);
        Training.Step(whole, optimizer);
        Training.Step(resumed, again);

        Values(resumed).Should().BeEquivalentTo(Values(whole));
    }

    [Fact]
    public void Plan_counts_what_is_trained_at_the_moment()
    {
        using var model = new OpenNetwork();
        Freeze(model, "first");
        using var session = new GaLore { Rank = 4 }.Attach(model);
        MemoryPlan.For(session).Parameters.Select(parameter => parameter.Name).Should().NotContain("first.weight");

        Thaw(model);
        MemoryPlan.For(session).Parameters.Select(parameter => parameter.Name).Should().Contain("first.weight");
    }

    [Theory]
    [MemberData(nameof(MethodsBesideWeights))]
    public void Layers_that_were_frozen_before_are_adapted_and_are_frozen_again_in_the_end(string method)
    {
        using var model = Training.Seeded(new OpenNetwork());
        Freeze(model, "");
        using var session = (LowRankTraining.Layers.AdapterSession)BesideWeights[method]().Attach(model);
        using var optimizer = new LowRankOptimizer(session, lr: 0.01);
        var before = Values(model);
        session.Layers.Select(layer => layer.Name).Should().Equal("first.weight", "second.weight");

        for (var step = 0; step < 3; step++)
            Training.Step(model, optimizer);
        session.Finish();

        var after = Values(model);
        after["first.weight"].Should().NotEqual(before["first.weight"]);
        after["lm_head.weight"].Should().Equal(before["lm_head.weight"]);
        model.parameters().Should().OnlyContain(parameter => !parameter.requires_grad, "the model is as it was");
    }

    [Fact]
    public void Head_that_is_thawed_beside_adapters_is_trained()
    {
        using var model = Training.Seeded(new OpenNetwork());
        Freeze(model, "");
        using var optimizer = new LowRankOptimizer(new LoRA { Rank = 4 }.Attach(model), lr: 0.01);
        Training.Step(model, optimizer);
        var before = Values(model)["lm_head.weight"];

        Of(model, "lm_head.weight").requires_grad = true;
        Training.Step(model, optimizer);

        Values(model)["lm_head.weight"].Should().NotEqual(before);
    }

    [Fact]
    public void Frozen_weight_is_not_discarded_for_factors_from_scratch()
    {
        using var model = Training.Seeded(new OpenNetwork());
        Freeze(model, "first");
        using var session = new CoLA { Rank = 4 }.Attach(model);

        session.Parameters.Select(plan => plan.Name).Should().Contain("first.weight")
            .And.Contain(name => name.StartsWith("second.factor", StringComparison.Ordinal));
    }

    [Fact]
    public void Frozen_detached_copy_over_a_trained_weight_is_no_parameter_of_its_own()
    {
        using var weight = new Parameter(randn(8, 8));
        using var copy = new Parameter(weight.detach(), requires_grad: false);
        using var optimizer = GaLore.AdamW([("weight", weight), ("copy", copy)], rank: 2);

        optimizer.parameters().Should().ContainSingle();
    }

    private static void Freeze(nn.Module model, params string[] parts)
    {
        foreach (var (name, parameter) in model.named_parameters())
            if (parts.Any(part => name.StartsWith(part, StringComparison.Ordinal)))
                parameter.requires_grad = false;
    }

    private static void Thaw(nn.Module model)
    {
        foreach (var parameter in model.parameters())
            parameter.requires_grad = true;
    }

    private static Parameter Of(nn.Module model, string name) => model.named_parameters().Single(pair => pair.name == name).parameter;

    private static long StateOf(LowRankOptimizer optimizer, nn.Module model, string name) => optimizer.StateOf(Of(model, name)).Bytes;

    private static Dictionary<string, float[]> Values(nn.Module model) =>
        model.state_dict().ToDictionary(pair => pair.Key, pair => pair.Value.to(ScalarType.Float32).detach().contiguous().data<float>().ToArray());
}
