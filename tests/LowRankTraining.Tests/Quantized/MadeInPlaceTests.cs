using FluentAssertions;
using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Adapters;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Quantized;

/// <summary>Models whose weights are in 8 bits before there is a session.</summary>
public class MadeInPlaceTests
{
    private static readonly QGaLore Method = new() { Rank = 4, RefreshEvery = 3 };

    [Theory]
    [InlineData(GradientFlow.Whole)]
    [InlineData(GradientFlow.Projected)]
    [InlineData(GradientFlow.Stepped)]
    public void Trains_as_if_it_had_been_quantized_when_it_was_attached(GradientFlow flow)
    {
        using var whole = Seeded(new OpenNetwork());
        using var parts = Method.Quantize(Seeded(new OpenNetwork()));
        using var usual = Method.Attach(whole, gradients: flow).CreateOptimizer(0.01, weight_decay: 0.1);
        using var earlier = Method.Attach(parts, gradients: flow).CreateOptimizer(0.01, weight_decay: 0.1);

        Run(whole, usual, 10);
        Run(parts, earlier, 10);

        Values(Output(parts)).Should().Equal(Values(Output(whole)));
        earlier.Session.Describe().Should().Be(usual.Session.Describe());
        earlier.StateBytes.Should().Be(usual.StateBytes);
        MemoryPlan.For(earlier.Session).WeightBytes.Should().Be(MemoryPlan.For(usual.Session).WeightBytes);
    }

    [Fact]
    public void Comes_back_as_a_plain_model_and_can_be_attached_again()
    {
        using var model = Method.Quantize(Seeded(new OpenNetwork()));
        using (var optimizer = Method.Attach(model).CreateOptimizer(0.01))
        {
            Run(model, optimizer, 5);
            var learned = Output(model);

            optimizer.Session.Finish();

            Distance(Output(model), learned).Should().BeLessThan(1e-6);
        }

        model.named_children().Select(child => child.module).OfType<Linear>().Should().HaveCount(3);
        model.state_dict().Keys.Should().Equal(new OpenNetwork().state_dict().Keys);
        using var again = new GaLore { Rank = 4 }.Attach(model).CreateOptimizer(0.01);
        Run(model, again, 2);
    }

    [Fact]
    public void Layers_that_are_not_projected_are_trained_in_8_bits_too()
    {
        using var model = Seeded(new OpenNetwork());
        Method.Quantize(model, Targets.AllLinear());
        using var optimizer = Method.Attach(model, Targets.Matching("first")).CreateOptimizer(0.01);
        var head = (Int8Linear)model.named_children().Last().module;
        var before = Values(head.EffectiveWeight());

        Run(model, optimizer, 5);

        Values(head.EffectiveWeight()).Should().NotEqual(before);
        optimizer.Session.Parameters.Single(plan => plan.Name == "lm_head.weight").Store.Should().BeSameAs(head);
    }

    [Fact]
    public void A_layer_that_is_made_in_8_bits_keeps_its_mode_its_group_and_that_it_is_frozen()
    {
        using var model = nn.Sequential(("first", new Int8Linear(nn.Linear(12, 16), group: 16)), ("second", nn.Linear(16, 6)));
        var first = (Int8Linear)model.children().First();
        first.weight.requires_grad = false;
        model.eval();
        var before = Values(first.EffectiveWeight());

        using var optimizer = Method.Attach(model).CreateOptimizer(0.01);
        (first.training, first.Group).Should().Be((false, 16));
        Run(model, optimizer, 5);

        model.children().First().Should().BeSameAs(first);
        Values(first.EffectiveWeight()).Should().Equal(before);
    }

    [Fact]
    public void A_plan_is_the_same_before_and_after_it_is_quantized()
    {
        using var model = Seeded(new OpenNetwork());
        var before = MemoryPlan.For(model, Method).ToString();

        Method.Quantize(model);

        MemoryPlan.For(model, Method).ToString().Should().Be(before);
        model.named_children().Where(child => child.module is Int8Linear).Select(child => child.name).Should().Equal("first", "second");
    }

    [Fact]
    public void What_is_refused_leaves_the_layers_where_they_are()
    {
        using var model = Method.Quantize(Seeded(new OpenNetwork()));
        var children = model.named_children().ToArray();
        var output = Values(Output(model));

        FluentActions.Invoking(() => Method.Attach(model, Targets.Matching("nowhere"))).Should().Throw<ArgumentException>();
        FluentActions.Invoking(() => new GaLore().Attach(model)).Should().Throw<ArgumentException>().WithMessage("*8-bit weights already*QGaLore*");
        FluentActions.Invoking(() => Method.Quantize(new SealedNetwork())).Should().Throw<ArgumentException>().WithMessage("*first.weight*type Linear*");

        model.named_children().Should().Equal(children);
        Values(Output(model)).Should().Equal(output);
        using var session = Method.Attach(model);
        FluentActions.Invoking(() => Method.Attach(model)).Should().Throw<ArgumentException>().WithMessage("*8-bit weights already*Finish*");
    }
}
