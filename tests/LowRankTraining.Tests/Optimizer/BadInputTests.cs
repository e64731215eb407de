using FluentAssertions;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using Microsoft.Extensions.Options;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Optimizer;

/// <summary>Wrong input gets one message that says what to do, and nothing is changed.</summary>
public class BadInputTests
{
    [Fact]
    public void All_wrong_options_are_listed_in_one_error()
    {
        var method = new Fira { Rank = 0, RefreshEvery = 0, Scale = -1, Beta2 = 1, Side = ProjectionSide.Both, Limiter = new() { MaxGrowth = 1 } };
        var make = () => method.Attach([]);

        make.Should().Throw<OptionsValidationException>().Which.Failures.Should().HaveCount(6);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-3)]
    public void Rank_below_one_is_refused(int rank)
    {
        using var weight = new Parameter(zeros(4, 6));
        var make = () => GaLore.AdamW([("weight", weight)], rank: rank);

        make.Should().Throw<OptionsValidationException>().WithMessage("*Rank*at least 1*");
    }

    [Fact]
    public void Numbers_that_float32_does_not_hold_are_refused_before_they_make_steps_of_zero_or_NaN()
    {
        var tiny = () => Checks.Require(new Fira { Epsilon = 1e-300, Scale = 1e-300 });
        var huge = () => Checks.Require(new GaLore { Epsilon = 1e308, Scale = 1e308 });

        tiny.Should().Throw<OptionsValidationException>().Which.Failures.Should().HaveCount(2)
            .And.Contain(failure => failure.StartsWith("Fira.Epsilon")).And.Contain(failure => failure.StartsWith("Fira.Scale"));
        huge.Should().Throw<OptionsValidationException>().WithMessage("*Scale is 1E+308*float32*");
    }

    [Fact]
    public void Epsilon_beside_which_lost_squares_make_steps_of_any_size_is_refused_in_weight_space_too()
    {
        var make = () => Checks.Require(new LoRA { Rank = 2, Epsilon = 1e-25 });

        make.Should().Throw<OptionsValidationException>().Which.Failures.Should().ContainSingle().Which.Should().StartWith("LoRA.Epsilon is 1E-25");
    }

    [Fact]
    public void Options_that_are_null_or_undefined_are_refused_by_name()
    {
        var make = () => Checks.Require(new GaLore
        {
            States = null!, TableStates = null!, BasisFormat = null!, OnRefresh = null!, Compatibility = (Compatibility)99,
        });

        var failures = make.Should().Throw<OptionsValidationException>().Which.Failures;

        failures.Select(failure => failure.Split(' ')[0]).Should().BeEquivalentTo(
            "GaLore.States", "GaLore.TableStates", "GaLore.BasisFormat", "GaLore.OnRefresh", "GaLore.Compatibility");
    }

    [Theory]
    [InlineData(double.NaN, 0.0), InlineData(-1.0, 0.0), InlineData(double.PositiveInfinity, 0.0), InlineData(0.1, double.NaN), InlineData(0.1, -0.1)]
    public void Group_with_a_rate_or_decay_that_is_no_number_is_refused(double rate, double decay)
    {
        using var weight = new Parameter(zeros(4, 6));

        FluentActions.Invoking(() => new LowRankOptimizer.ParamGroup([weight], rate, decay))
            .Should().Throw<ArgumentOutOfRangeException>().WithMessage("*ParamGroup.*at least 0*");
    }

    [Theory]
    [InlineData(ScalarType.ComplexFloat32), InlineData(ScalarType.Int64)]
    public void Group_of_parameters_that_cannot_be_trained_is_refused_and_changes_nothing(ScalarType dtype)
    {
        using var weight = new Parameter(zeros(4, 6));
        using var other = new Parameter(zeros(4, 6, dtype), requires_grad: false);
        using var optimizer = GaLore.AdamW([("weight", weight)]);

        optimizer.Invoking(own => own.add_param_group(new LowRankOptimizer.ParamGroup([other])))
            .Should().Throw<ArgumentException>().WithMessage($"*{dtype}*Nothing was changed*");

        optimizer.ParamGroups.Should().HaveCount(1);
    }

    /// <summary>Positions or spectra in complex numbers, among the parameters of a model whose linear layers are adapted.</summary>
    [Theory]
    [InlineData("galore", false), InlineData("q-galore", false), InlineData("relora", false), InlineData("sltrain", false)]
    [InlineData("lora", true), InlineData("dora", true)]
    public void Complex_parameter_is_named_before_the_model_is_changed_or_frozen_where_only_factors_are_trained(string method, bool freezesOthers)
    {
        using var scope = NewDisposeScope();
        using var model = new Spectral();
        var before = model.named_parameters().Select(pair => pair.name).ToArray();
        var attach = () => LowRankStrategies.Parse($$"""{ "Method": "{{method}}", "Rank": 2 }""").Attach(model).CreateOptimizer();

        if (freezesOthers)
        {
            using var optimizer = attach();
            model.get_parameter("spectrum")!.requires_grad.Should().BeFalse();
        }
        else
        {
            attach.Should().Throw<ArgumentException>().WithMessage("*Freeze these*spectrum (ComplexFloat32)*Nothing was changed*");
            model.named_parameters().Select(pair => pair.name).Should().Equal(before);
        }
    }

    [Fact]
    public void Code_of_the_authors_has_an_epsilon_of_its_own_unless_one_is_given()
    {
        new Spam { Compatibility = Compatibility.ReferenceCode }.Epsilon.Should().Be(1e-6);
        new GaLore { Compatibility = Compatibility.ReferenceCode, Epsilon = 1e-8 }.Epsilon.Should().Be(1e-8);
        new LDAdam { Compatibility = Compatibility.ReferenceCode }.Epsilon.Should().Be(1e-8, "its AdamW is PyTorch's");
        new GaLore().Epsilon.Should().Be(1e-8);
    }

    [Fact]
    public void Rank_of_a_drawn_basis_is_lowered_too()
    {
        using var weight = new Parameter(zeros(4, 6));
        using var optimizer = new Apollo { Rank = int.MaxValue }.Attach([("weight", weight)]).CreateOptimizer(0.1);
        weight.grad = Draw.Normal(4, 6, 1).to(ScalarType.Float32);

        optimizer.step();

        optimizer.Session.Parameters.Single().Note.Should().Contain("lowered to 4");
        optimizer.StateOf(weight)["exp_avg"].shape.Should().Equal(4, 6);
        weight.ne(0).all().ToBoolean().Should().BeTrue();
    }

    [Fact]
    public void Rank_above_the_short_side_is_lowered_and_noted()
    {
        using var weight = new Parameter(zeros(4, 6));
        using var session = new GaLore { Rank = 128 }.Attach([("weight", weight)]);

        session.Parameters.Single().Note.Should().Contain("128 lowered to 4");
    }

    [Fact]
    public void Rank_above_the_short_side_is_an_error_under_strict()
    {
        using var weight = new Parameter(zeros(4, 6));
        var attach = () => new GaLore { Rank = 128, Strict = true }.Attach([("layer.weight", weight)]);

        attach.Should().Throw<ArgumentException>().WithMessage("*Strict*layer.weight*128 lowered to 4*");
    }

    [Fact]
    public void Strict_looks_at_ranks_that_count()
    {
        using var weight = new Parameter(zeros(4, 6));
        var wrapped = () => new GradNormLoRP { Rank = 128, Strict = true }.Attach([("layer.weight", weight)]);
        var longSide = () => new GaLore { Rank = 5, Side = ProjectionSide.Long, Strict = true }.Attach([("layer.weight", weight)]);

        wrapped.Should().Throw<ArgumentException>().WithMessage("*Strict*layer.weight*128 lowered to 4*");
        longSide.Should().Throw<ArgumentException>().WithMessage("*Strict*layer.weight*5 lowered to 4, the length of the short side*");
    }

    [Fact]
    public void Targets_that_match_nothing_say_what_there_is()
    {
        using var model = nn.Sequential(("first", nn.Linear(4, 6)), ("second", nn.Linear(6, 2)));
        var attach = () => new GaLore().Attach(model, Targets.Matching("attn"));

        attach.Should().Throw<ArgumentException>().WithMessage("*No matrix*'attn'*first.weight, second.weight*Targets*");
    }

    [Fact]
    public void Empty_patterns_are_refused()
    {
        var make = () => Targets.Matching();

        make.Should().Throw<ArgumentException>().WithMessage("*at least one pattern*");
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(double.NaN)]
    public void Learning_rate_must_be_a_number_of_at_least_zero(double lr)
    {
        using var weight = new Parameter(zeros(4, 6));
        var make = () => GaLore.AdamW([("weight", weight)], lr: lr, rank: 2);

        make.Should().Throw<ArgumentOutOfRangeException>().WithMessage("*lr*at least 0*");
    }

    [Fact]
    public void Model_moved_after_the_optimizer_was_made_is_named()
    {
        using var scope = NewDisposeScope();
        using var model = nn.Linear(6, 4);
        using var optimizer = GaLore.AdamW(model.named_parameters(), rank: 2);
        model.to(ScalarType.BFloat16);

        var step = () => optimizer.step();

        step.Should().Throw<InvalidOperationException>().WithMessage("*'weight'*Move the model first*");
    }

    [Fact]
    public void Parameter_in_two_groups_is_refused()
    {
        using var weight = new Parameter(zeros(4, 6));
        using var optimizer = GaLore.AdamW([("weight", weight)], rank: 2);
        var add = () => optimizer.add_param_group(new LowRankOptimizer.ParamGroup([weight]));

        add.Should().Throw<ArgumentException>().WithMessage("*two groups*");
    }

    [Fact]
    public void State_of_another_strategy_is_refused() =>
        Load(Saved(GaLoreOf(rank: 2)), FiraOf(rank: 2)).Should().Throw<InvalidDataException>().WithMessage("*'galore'*'fira'*Nothing was changed*");

    [Fact]
    public void State_of_another_rank_is_refused() =>
        Load(Saved(GaLoreOf(rank: 2)), GaLoreOf(rank: 3)).Should().Throw<InvalidDataException>()
            .WithMessage("*'weight'*rank 2 of 4*rank 3 of 4*Nothing was changed*");

    [Fact]
    public void State_of_another_side_is_refused() =>
        Load(Saved(GaLoreOf(rank: 2)), GaLoreOf(rank: 2, ProjectionSide.Right)).Should().Throw<InvalidDataException>()
            .WithMessage("*Left subspace*Right subspace*");

    [Fact]
    public void State_of_another_shape_is_refused() =>
        Load(Saved(GaLoreOf(rank: 2)), GaLoreOf(rank: 2, rows: 5)).Should().Throw<InvalidDataException>().WithMessage("*shape ?4, 6?*shape ?5, 6?*");

    [Fact]
    public void State_that_breaks_off_changes_nothing()
    {
        using var scope = NewDisposeScope();
        var saved = Saved(GaLoreOf(rank: 2));
        var (optimizer, weight) = GaLoreOf(rank: 2)();
        using var _ = optimizer;
        LowRankOptimizerTests.Step(optimizer, weight);
        LowRankOptimizerTests.Step(optimizer, weight);
        var before = Serialize(optimizer);

        foreach (var length in new[] { saved.Length - 1, saved.Length / 2, saved.Length / 3 })
        {
            var load = () => optimizer.load_state_dict(new BinaryReader(new MemoryStream(saved[..length])));
            load.Should().Throw<InvalidDataException>().WithMessage("The state of the optimizer*Nothing was changed.");
            Serialize(optimizer).Should().Equal(before);
        }
    }

    private sealed class Spectral : nn.Module<Tensor, Tensor>
    {
        private readonly nn.Module<Tensor, Tensor> layer = nn.Linear(8, 8);
        private readonly Parameter spectrum = new(zeros(3, dtype: ScalarType.ComplexFloat32));

        public Spectral() : base(nameof(Spectral)) => RegisterComponents();

        public override Tensor forward(Tensor input) => layer.call(input) + spectrum.real.sum();
    }

    private static Func<(LowRankOptimizer, Parameter)> GaLoreOf(int rank, ProjectionSide side = ProjectionSide.Short, int rows = 4) => () =>
    {
        var weight = new Parameter(zeros(rows, 6));
        return (GaLore.AdamW([("weight", weight)], rank: rank, side: side), weight);
    };

    private static Func<(LowRankOptimizer, Parameter)> FiraOf(int rank) => () =>
    {
        var weight = new Parameter(zeros(4, 6));
        return (Fira.AdamW([("weight", weight)], rank: rank), weight);
    };

    private static byte[] Saved(Func<(LowRankOptimizer, Parameter)> make)
    {
        using var scope = NewDisposeScope();
        var (optimizer, weight) = make();
        using var _ = optimizer;
        LowRankOptimizerTests.Step(optimizer, weight);
        return Serialize(optimizer);
    }

    private static byte[] Serialize(LowRankOptimizer optimizer)
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        optimizer.save_state_dict(writer);
        return stream.ToArray();
    }

    private static Action Load(byte[] state, Func<(LowRankOptimizer, Parameter)> make) => () =>
    {
        using var scope = NewDisposeScope();
        var (optimizer, weight) = make();
        using var _ = optimizer;
        LowRankOptimizerTests.Step(optimizer, weight);
        var before = Serialize(optimizer);
        try
        {
            optimizer.load_state_dict(new BinaryReader(new MemoryStream(state)));
        }
        finally
        {
            Serialize(optimizer).Should().Equal(before);
        }
    };

    [Fact]
    public void Pattern_that_names_an_embedding_alone_is_told_why_it_has_no_effect()
    {
        using var model = nn.Sequential(("embed", nn.Embedding(10, 8)), ("head", nn.Linear(8, 4)));

        FluentActions.Invoking(() => new LoRA { Rank = 2 }.Attach(model, Targets.Matching("embed"))).Should().Throw<ArgumentException>()
            .WithMessage("*embed.weight (the table of an embedding, which is always trained at full rank or frozen), head.weight*");
    }
}
