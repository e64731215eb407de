using FluentAssertions;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Ties;

/// <summary>A shared parameter that is one no longer: the places that lose it would stand still, and nothing would tell.</summary>
public class PartedTieTests
{
    private static readonly Dictionary<string, Func<ILowRankStrategy>> Methods = new()
    {
        ["galore"] = () => new GaLore { Rank = 2 },
        ["q-galore"] = () => new QGaLore { Rank = 2 },
        ["lora"] = () => new LoRA { Rank = 2, TrainOthers = true },
        ["sltrain"] = () => new SLTrain { Rank = 2, Density = 0.2 },
    };

    public static TheoryData<string> Names => [.. Methods.Keys];

    [Theory, MemberData(nameof(Names))]
    public void Step_refuses_a_tie_that_a_move_has_parted_until_it_is_tied_again(string name)
    {
        using var model = TableOfHead();
        var session = Methods[name]().Attach(model, Targets.Matching("body"));
        model.to(ScalarType.Float64);
        using var optimizer = session.CreateOptimizer(lr: 0.05);

        RefusesToStep(model, optimizer);

        model.Head.weight = model.Table.weight!;
        TrainsBoth(model, optimizer);
    }

    [Theory, MemberData(nameof(Names))]
    public void Step_refuses_a_weight_that_is_set_anew(string name)
    {
        using var model = TiedNetwork.Tied();
        using var optimizer = Methods[name]().Attach(model, Targets.Matching("body")).CreateOptimizer(lr: 0.05);
        model.Step(optimizer);

        using (no_grad())
            model.Head.weight = new Parameter(model.Table.weight!.clone());

        RefusesToStep(model, optimizer);
    }

    [Fact]
    public void Tie_that_does_not_train_may_be_parted()
    {
        using var model = TableOfHead();
        var session = new LoRA { Rank = 2, TrainOthers = false }.Attach(model, Targets.Matching("body"));
        model.to(ScalarType.Float64);
        using var optimizer = session.CreateOptimizer(lr: 0.05);
        var before = model.Logits();

        model.Step(optimizer);
        model.Step(optimizer);

        model.Logits().Should().NotEqual(before);
    }

    [Fact]
    public void Tie_that_is_made_after_the_strategy_was_attached_is_refused_when_the_optimizer_is_made()
    {
        using var model = new TiedNetwork();
        using var session = new GaLore { Rank = 2 }.Attach(model, Targets.Matching("body"));
        model.Head.weight = model.Table.weight!;

        session.Invoking(late => late.CreateOptimizer()).Should().Throw<ArgumentException>()
            .WithMessage("'tokens.weight' and 'decoder.weight' are one parameter*share it first, then attach*");
    }

    /// <summary>The way round that <c>model.to(...)</c> does not keep.</summary>
    private static TiedNetwork TableOfHead()
    {
        var model = new TiedNetwork();
        model.Table.weight = model.Head.weight;
        return model;
    }

    private static void RefusesToStep(TiedNetwork model, LowRankOptimizer optimizer)
    {
        var before = model.Snapshot();
        optimizer.zero_grad();
        model.Loss().backward();

        optimizer.Invoking(parted => parted.step()).Should().Throw<InvalidOperationException>()
            .WithMessage(
                "'tokens.weight' and 'decoder.weight' were one parameter*Give 'decoder.weight' the parameter of 'tokens.weight' again. Nothing was changed.");
        model.Snapshot().Should().BeEquivalentTo(before, options => options.WithStrictOrdering());
    }

    private static void TrainsBoth(TiedNetwork model, LowRankOptimizer optimizer)
    {
        var before = TiedNetwork.Numbers(model.Head.weight);

        model.Step(optimizer);

        TiedNetwork.Numbers(model.Head.weight).Should().NotEqual(before).And.Equal(TiedNetwork.Numbers(model.Table.weight!));
    }
}
