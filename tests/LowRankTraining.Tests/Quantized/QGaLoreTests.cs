using FluentAssertions;
using LowRankTraining.Layers;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Adapters;
using Microsoft.Extensions.Options;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Quantized;

public class QGaLoreTests
{
    [Theory]
    [InlineData(48, 100, 16)]
    [InlineData(101, 37, 9)]
    public void State_has_the_bytes_of_the_formula(int rows, int columns, int rank)
    {
        using var scope = NewDisposeScope();
        using var weight = new Parameter(Normal(1, ScalarType.Float32, rows, columns));
        using var optimizer = Small(rank).Attach([("weight", weight)]).CreateOptimizer();
        weight.grad = Normal(2, ScalarType.Float32, rows, columns);

        optimizer.step();

        var (s, l) = (Math.Min(rows, columns), Math.Max(rows, columns));
        var basis = (s * rank + 1) / 2 + 5 * Groups(s * rank);
        var moment = l * rank + 4 * Groups(l * rank);
        optimizer.StateBytes.Should().Be(basis + 2 * moment);
        optimizer.Session.Parameters[0].Rule.BytesFor([rows, columns]).Should()
            .Be(basis + 2 * moment + 5 * sizeof(float), "the planner counts the similarities, which come with the second refresh");

        static int Groups(int numbers) => (numbers + 255) / 256;
    }

    [Fact]
    public void Small_bases_stay_float32()
    {
        using var scope = NewDisposeScope();
        using var weight = new Parameter(Normal(1, ScalarType.Float32, 20, 30));
        using var optimizer = new QGaLore { Rank = 4 }.Attach([("weight", weight)]).CreateOptimizer();
        weight.grad = Normal(2, ScalarType.Float32, 20, 30);

        optimizer.step();

        optimizer.StateBytes.Should().Be(4 * 4 * (20 + 2 * 30));
    }

    [Fact]
    public void Broken_gradient_leaves_the_codes_as_they_are()
    {
        using var scope = NewDisposeScope();
        using var model = Seeded(new OpenNetwork());
        using var optimizer = Small(4).Attach(model).CreateOptimizer(0.01, weight_decay: 0.1);
        Run(model, optimizer, 2);
        var layer = (Int8Linear)model.named_children().First().module;
        var before = Values(layer.EffectiveWeight());

        foreach (var broken in new[] { 0, double.NaN, double.PositiveInfinity })
        {
            layer.weight.grad = full_like(layer.EffectiveWeight(), broken);
            optimizer.step();
        }

        Values(layer.EffectiveWeight()).Should().Equal(before);
    }

    [Fact]
    public void Plain_layers_give_their_memory_back_and_get_it_again()
    {
        using var model = Seeded(new OpenNetwork());
        var plain = (Linear)model.named_children().First().module;
        var (names, children) = (model.state_dict().Keys.ToArray(), model.named_children().ToArray());
        using var optimizer = Small(4).Attach(model).CreateOptimizer(0.01);
        plain.weight.NumberOfElements.Should().Be(0);
        Run(model, optimizer, 5);
        var learned = Output(model);

        optimizer.Session.Finish();

        Distance(Output(model), learned).Should().BeLessThan(1e-6);
        model.state_dict().Keys.Should().Equal(names);
        model.named_children().Should().Equal(children);
        plain.weight.shape.Should().Equal(16, 12);
        optimizer.Session.Invoking(session => session.Finish()).Should().Throw<InvalidOperationException>().WithMessage("*finished*");
        FluentActions.Invoking(() => Step(model, optimizer)).Should().Throw<InvalidOperationException>().WithMessage("*finished*");
    }

    [Fact]
    public void Weights_that_cannot_be_replaced_are_trained_as_they_are_and_say_why()
    {
        using var model = Seeded(new SealedNetwork());
        using var optimizer = Small(4).Attach(model).CreateOptimizer(0.01);
        var first = Step(model, optimizer);

        Run(model, optimizer, 50);

        Step(model, optimizer).Should().NotBe(first);
        optimizer.Session.Parameters.Single(plan => plan.Name == "first.weight").Note.Should().Contain("not in 8 bits").And.Contain("type Linear");
    }

    [Fact]
    public void Only_projected_weights_are_quantized_and_other_strategies_are_refused()
    {
        using var model = new OpenNetwork();
        using var session = Small(4).Attach(model);

        model.named_children().Where(child => child.module is Int8Linear).Select(child => child.name).Should().Equal("first", "second");
        FluentActions.Invoking(() => new GaLore().Attach(model)).Should().Throw<ArgumentException>().WithMessage("*8-bit weights already*Finish*");
    }

    [Fact]
    public void Every_violation_is_named_at_once()
    {
        var make = () => Checks.Require(new QGaLore
        {
            Scale = 0, SimilarityThreshold = 1.5, GapGrowth = 1, RememberedSimilarities = 0, WeightGroup = 0, Staggered = true, States = StateFormat.Affine4Bit,
        });

        make.Should().Throw<OptionsValidationException>().Which.Failures.Should().HaveCount(7)
            .And.Contain(failure => failure.Contains("Affine4Bit", StringComparison.Ordinal))
            .And.Contain(failure => failure.Contains("drift apart", StringComparison.Ordinal));
    }

    [Fact]
    public void Gap_starts_counting_again_after_it_has_grown_and_signs_do_not_matter()
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var policy = new LazyRefresh { Every = 4, Remembered = 2 };
        var basis = linalg.qr(Normal(3, ScalarType.Float32, 10, 3)).Q;

        var gaps = new List<long>();
        for (var refresh = 1; refresh <= 5; refresh++)
        {
            var (from, to) = (basis * (refresh % 2 == 0 ? -1 : 1), basis * (refresh % 2 == 0 ? 1 : -1));
            policy.Renewed(new SubspaceChange(Projection.Of(from, null), Projection.Of(to, null), 10, 20, new AdamRule(), state, new() { Step = refresh }),
                100 * refresh);
            gaps.Add(state.Counter("refresh_gap"));
        }

        gaps.Should().Equal(4, 8, 8, 16, 16);
        policy.IsDue(515, 0, state).Should().BeFalse();
        policy.IsDue(516, 0, state).Should().BeTrue();
    }

    private static QGaLore Small(int rank) => new()
    {
        Rank = rank,
        BasisFormat = StateFormat.Affine4Bit with { Threshold = 1 },
        States = StateFormat.Blockwise8Bit with { Threshold = 1 },
    };
}
