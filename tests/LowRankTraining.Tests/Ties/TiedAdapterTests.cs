using FluentAssertions;
using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Ties;

/// <summary>Low-rank factors on a head that shares the table of an embedding.</summary>
public class TiedAdapterTests
{
    private static readonly Targets Head = Targets.Matching("decoder");

    [Fact]
    public void Factors_on_a_tied_head_are_shadowed_and_train_the_table_too()
    {
        using var model = TiedNetwork.Tied();
        using var optimizer = new LoRA { Rank = 2 }.Attach(model, Head).CreateOptimizer(lr: 0.05);
        var before = TiedNetwork.Numbers(model.Table.weight!);

        for (var step = 0; step < 4; step++)
            model.Step(optimizer);

        using var change = tensor(TiedNetwork.Numbers(model.Table.weight!)).sub(tensor(before)).reshape(TiedNetwork.Rows, TiedNetwork.Columns);
        linalg.matrix_rank(change, atol: 1e-5).ToInt64().Should().Be(2);
        ((AdapterSession)optimizer.Session).Layers.Should().ContainSingle().Which.Reason.Should().Be("several modules share it: tokens.weight, decoder.weight");
        var logits = model.Logits();
        optimizer.Session.Finish();
        model.Logits().Should().Equal(logits);
    }

    [Theory]
    [InlineData(FactorInit.PiSSA)]
    [InlineData(FactorInit.OLoRA)]
    public void Start_from_the_weight_leaves_the_function_of_a_tied_model(FactorInit init)
    {
        using var model = TiedNetwork.Tied();
        var before = model.Logits();

        using var session = new LoRA { Rank = 2, Init = init }.Attach(model, Head);

        model.Logits().Should().Equal(before);
    }

    [Fact]
    public void Quantized_base_keeps_a_tied_head_dense_and_says_so()
    {
        using var model = TiedNetwork.Tied();
        using var session = new LoRA { Rank = 2, Base = BaseFormat.NF4 }.Attach(model, Targets.Matching("body", "decoder"));
        using var optimizer = session.CreateOptimizer(lr: 0.01);

        model.Step(optimizer);
        var logits = model.Logits();
        optimizer.Session.Finish();

        model.Logits().Zip(logits, (one, other) => Math.Abs(one - other)).Max().Should().BeLessThan(1e-5);
        session.Parameters.Single(plan => plan.Name == "tokens.weight").Note.Should()
            .Be("not in NF4: several modules share it: tokens.weight, decoder.weight");
    }

    [Fact]
    public void What_cannot_share_is_refused_with_what_works_and_nothing_is_changed()
    {
        using var model = TiedNetwork.Tied();
        var before = model.Snapshot();

        Refused(new LoRA { Rank = 2, Injection = Injection.Replace },
            "*several modules share it: tokens.weight, decoder.weight*Injection.Auto, which comes to Injection.Shadow*");
        Refused(new LoRA { Rank = 2, Injection = Injection.Hook }, "*several modules share it*Injection.Auto, which comes to Injection.Shadow*");
        Refused(new LoRA { Rank = 2, Init = FactorInit.LoRAGA }, "*several modules share it*GaLore*LoRA under Injection.Shadow*");
        Refused(new DoRA { Rank = 2 }, "*several modules share it*GaLore*LoRA under Injection.Shadow*");
        Refused(new CoLA { Rank = 2 }, "*several modules share it*GaLore*LoRA under Injection.Shadow*");

        void Refused(ILowRankStrategy strategy, string message)
        {
            var attach = () => strategy.Attach(model, Head);
            attach.Should().Throw<ArgumentException>().WithMessage(message).WithMessage("*Nothing was changed.");
            model.Snapshot().Should().BeEquivalentTo(before, options => options.WithStrictOrdering());
        }
    }

    [Fact]
    public void Linear_targets_leave_the_tied_table_to_full_rank_training()
    {
        using var model = TiedNetwork.Tied();
        using var session = new LoRA { Rank = 2, TrainOthers = true }.Attach(model, Targets.AllLinear());

        session.Layers.Select(layer => layer.Name).Should().Equal("body.weight");
        session.Parameters.Select(plan => plan.Name).Should().Equal("tokens.weight", "body.lora_A", "body.lora_B", "body.bias");
        model.Table.weight!.requires_grad.Should().BeTrue();
    }

    [Fact]
    public void Model_whose_only_linear_weight_is_the_table_is_told_so()
    {
        using var model = new TiedNetwork();
        model.Head.weight = model.Table.weight!;
        var attach = () => new LoRA { Rank = 2 }.Attach(model, Targets.AllLinear().Except("body"));

        attach.Should().Throw<ArgumentException>()
            .WithMessage("*tokens.weight (the table of an embedding, and also decoder.weight: chosen where a pattern names it there)*");
    }

    [Fact]
    public void Frozen_copy_over_the_same_memory_is_a_neighbor_that_forbids_replacement()
    {
        using var frozen = new WithBuffer();
        using var session = new LoRA { Rank = 2 }.Attach(frozen);

        session.Layers.Should().ContainSingle().Which.Reason.Should().Be("several modules share it: layer.weight, seen");
    }

    [Fact]
    public void Pattern_of_ranks_may_use_any_name()
    {
        using var model = TiedNetwork.Tied();
        using var session = new LoRA { Rank = 2, RankPattern = new Dictionary<string, int> { ["decoder"] = 3 } }.Attach(model, Head);

        session.Layers.Should().ContainSingle().Which.Rank.Should().Be(3);
    }

    private sealed class WithBuffer : nn.Module<Tensor, Tensor>
    {
        private readonly nn.Module<Tensor, Tensor> layer;

        public WithBuffer() : base(nameof(WithBuffer))
        {
            var linear = nn.Linear(6, 6);
            layer = linear;
            register_buffer("seen", linear.weight.detach());
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => layer.call(input);
    }
}
