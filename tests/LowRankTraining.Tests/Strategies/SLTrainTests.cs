using FluentAssertions;
using LowRankTraining.Checkpoints;
using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Adapters;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Strategies;

public sealed class SLTrainTests : IDisposable
{
    private static readonly SLTrain Small = new() { Rank = 4, Alpha = 8, Density = 0.15 };

    private readonly string _directory = Directory.CreateTempSubdirectory("lowrank-").FullName;

    [Fact]
    public void Weights_are_given_up_for_parts_and_the_session_says_so()
    {
        using var model = Seeded(new OpenNetwork());
        var plain = (Linear)model.named_children().First().module;

        using var session = Strategy().Attach(model);

        model.state_dict().Keys.Should().Equal(
            "first.bias", "first.lora_A", "first.lora_B", "first.sparse_values", "norm.weight", "norm.bias",
            "second.lora_A", "second.lora_B", "second.sparse_values", "lm_head.weight", "lm_head.bias", "first.sparse_indices", "second.sparse_indices");
        plain.weight.numel().Should().Be(0, "the plain layer holds no memory until then");
        session.Describe().Should()
            .Contain(
                "first.weight: Replace, rank 4 (its place takes another module; 28 of 192 entries in its sparse part; the weight was discarded for new parts)");
        MemoryPlan.For(session).WeightBytes.Should().Be(model.parameters().Sum(parameter => 4 * parameter.numel()) + 4 * (28 + 38));
    }

    [Fact]
    public void Layers_are_drawn_apart_and_follow_the_seed()
    {
        double[] first = Indices(seed: 1, "first"), second = Indices(seed: 1, "second");

        Indices(seed: 1, "first").Should().Equal(first);
        Indices(seed: 2, "first").Should().NotEqual(first);
        second.Take(20).Should().NotEqual(first.Take(20));

        static double[] Indices(ulong seed, string layer)
        {
            using var model = new OpenNetwork();
            using var session = Strategy(Small with { Seed = seed }).Attach(model);
            return Values(model.state_dict()[$"{layer}.sparse_indices"]);
        }
    }

    [Theory]
    [InlineData(Injection.Replace, ScalarType.Float32)]
    [InlineData(Injection.Replace, ScalarType.BFloat16)]
    [InlineData(Injection.Shadow, ScalarType.Float32)]
    public void Finished_model_is_the_plain_one_with_what_was_learned(Injection injection, ScalarType dtype)
    {
        using var model = Seeded(new OpenNetwork(dtype));
        var (names, children) = (model.state_dict().Keys.ToArray(), model.named_children().ToArray());
        using var optimizer = Strategy(Small with { Injection = injection }).Attach(model).CreateOptimizer(0.01);
        Run(model, optimizer, 5);
        var learned = Output(model);

        optimizer.Session.Finish();

        Output(model).Should().Equal(learned, "the plain weight is the one that the layer multiplied by");
        model.state_dict().Keys.Should().Equal(names);
        model.named_children().Should().Equal(children);
        model.parameters().Should().OnlyContain(parameter => parameter.requires_grad && parameter.numel() > 0);
        using var stream = new MemoryStream();
        model.save(stream);
        using var plain = new OpenNetwork(dtype);
        plain.load(new MemoryStream(stream.ToArray()));
        Output(plain).Should().Equal(learned);
    }

    [Fact]
    public void Finishing_twice_and_hooks_are_errors()
    {
        using var model = new OpenNetwork();
        model.Invoking(network => Strategy(Small with { Injection = Injection.Hook }).Attach(network)).Should().Throw<ArgumentException>()
            .WithMessage("Injection.Hook does not work*first.weight*");
        model.state_dict().Keys.Should().NotContain(name => name.Contains("lora"));

        using var session = Strategy().Attach(model);
        model.Invoking(network => Strategy().Attach(network)).Should().Throw<ArgumentException>().WithMessage("*Finish()*");
        session.Finish();
        session.Invoking(finished => finished.Finish()).Should().Throw<InvalidOperationException>().WithMessage("*finished*");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Shadow_follows_replacement_to_rounding(bool keepsIndices)
    {
        using var shadowed = Seeded(new OpenNetwork(ScalarType.Float64));
        using var replaced = Seeded(new OpenNetwork(ScalarType.Float64));
        var method = Small with { KeepsIndices = keepsIndices };
        using var left = Strategy(method with { Injection = Injection.Shadow }).Attach(shadowed).CreateOptimizer(0.01, weight_decay: 0.1);
        using var right = Strategy(method with { Injection = Injection.Replace }).Attach(replaced).CreateOptimizer(0.01, weight_decay: 0.1);

        Output(shadowed).Should().Equal(Output(replaced), "both start from the same parts");
        for (var step = 0; step < 11; step++)
        {
            Step(shadowed, left).Should().BeApproximately(Step(replaced, right), 1e-6);
            Distance(Output(shadowed), Output(replaced)).Should().BeLessThan(1e-6, "after step {0}", step + 1);
        }
    }

    [Fact]
    public void Layers_that_cannot_be_replaced_are_shadowed_and_stay_dense()
    {
        using var model = Seeded(new SealedNetwork());
        using var optimizer = Strategy().Attach(model).CreateOptimizer(0.01);

        ((AdapterSession)optimizer.Session).Describe().Should()
            .Contain("first.weight: Shadow, rank 4 (field 'first' of SealedNetwork is of type Linear").And.Contain("optimizer state is saved and no weight");
        var first = Step(model, optimizer);
        Run(model, optimizer, 100);
        Step(model, optimizer).Should().BeLessThan(first);
    }

    [Fact]
    public void Convolution_is_shadowed()
    {
        using var model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten());
        using var optimizer = (Small with { Rank = 2, Alpha = 2, Density = 0.1 }).Attach(model, Targets.AllMatrices()).CreateOptimizer(0.01);

        for (var step = 0; step < 3; step++)
        {
            using var scope = NewDisposeScope();
            optimizer.zero_grad();
            model.call(Normal(5, ScalarType.Float32, 2, 3, 6, 6)).square().mean().backward();
            optimizer.step();
        }

        optimizer.StateBytes.Should()
            .Be(4 * (3 * (2 * (8 + 27) + 21) + 21) + 4 * 2 * 8, "an 8 x 27 matrix has 21 sparse entries, and the bias is trained by Adam");
    }

    [Fact]
    public void Compensated_values_start_with_the_variance_of_a_plain_layer()
    {
        using var model = nn.Sequential(("layer", nn.Linear(200, 300)));
        using var session = (Small with { PreservesVariance = true, Injection = Injection.Shadow }).Attach(model);

        model.get_parameter("layer.weight")!.square().mean().ToDouble().Should().BeApproximately(1 / (3 * 200.0), 0.05 / (3 * 200));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(-0.1)]
    [InlineData(double.NaN)]
    public void Density_out_of_range_is_refused(double density) =>
        FluentActions.Invoking(() => Checks.Require(Small with { Density = density })).Should().Throw<OptionsValidationException>()
            .WithMessage("*Density*above 0 and below 1*");

    [Fact]
    public void All_wrong_options_are_listed_in_one_error() =>
        FluentActions.Invoking(() =>
            Checks.Require(Small with { Rank = 0, Alpha = 0, Density = 2, Dropout = 0.1 }))
            .Should().Throw<OptionsValidationException>().Which.Failures.Should().HaveCount(4);

    [Fact]
    public void Matrix_without_a_sparse_entry_gets_one_and_is_refused_under_strict()
    {
        var log = new RecordingLogger();
        using var model = Seeded(new OpenNetwork());
        var before = Weights(model);

        model.Invoking(small => Strategy(Small with { Density = 0.001, Strict = true }).Attach(small)).Should().Throw<ArgumentException>()
            .WithMessage(
                "Under Strict*density of 0.001 gives 2 matrices no sparse entry: first.weight (16 x 12); second.weight (16 x 16)*Nothing was changed*");
        Weights(model).Should().BeEquivalentTo(before);

        using var session = Strategy(Small with { Density = 0.001, Logger = log }).Attach(model);
        model.get_parameter("first.sparse_values")!.numel().Should().Be(1);
        log.Lines.Should().ContainSingle(line => line.Contains("2 matrices no sparse entry"));
    }

    [Fact]
    public void Rank_above_the_layer_is_lowered_and_refused_under_strict()
    {
        using var model = new OpenNetwork();

        model.Invoking(small => Strategy(Small with { Rank = 64, Strict = true }).Attach(small)).Should().Throw<ArgumentException>()
            .WithMessage("*rank 64 lowered to 12*");
        model.state_dict().Keys.Should().NotContain(name => name.Contains("lora"));

        using var session = Strategy(Small with { Rank = 64 }).Attach(model);
        session.Layers.Select(layer => layer.Rank).Should().Equal(12, 16);
    }

    [Fact]
    public void Broken_parts_are_not_merged()
    {
        using var model = new OpenNetwork();
        using var session = Strategy().Attach(model);
        using (no_grad())
            model.get_parameter("first.sparse_values")![0] = float.NaN;

        session.Invoking(broken => broken.Finish()).Should().Throw<InvalidOperationException>().WithMessage("*'first.weight'*NaN*");
    }

    [Fact]
    public void Support_in_the_file_of_a_model_wins_over_the_seed()
    {
        using var whole = Make(keepsIndices: true, seed: 1);
        Run(whole.Model, whole.Optimizer, 4);
        var file = Path.Combine(_directory, "model.dat");
        whole.Model.save(file);

        using var other = Make(keepsIndices: true, seed: 2);
        other.Model.load(file);

        Output(other.Model).Should().Equal(Output(whole.Model));
    }

    [Fact]
    public void Support_that_is_only_in_the_seed_is_not_mistaken_for_another()
    {
        using var whole = Make(keepsIndices: false, seed: 1);
        Run(whole.Model, whole.Optimizer, 4);
        TrainingCheckpoint.Save(_directory, whole.Model, whole.Optimizer);

        using var other = Make(keepsIndices: false, seed: 2);
        var before = Output(other.Model);
        FluentActions.Invoking(() => TrainingCheckpoint.Load(_directory, other.Model, other.Optimizer)).Should().Throw<InvalidDataException>()
            .WithMessage("*Seed 1*Seed 2*");
        Output(other.Model).Should().Equal(before);

        using var same = Make(keepsIndices: false, seed: 1);
        TrainingCheckpoint.Load(_directory, same.Model, same.Optimizer);
        Output(same.Model).Should().Equal(Output(whole.Model));
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private static SLTrain Strategy(SLTrain? options = null) => options ?? Small;

    private static Trained Make(bool keepsIndices, ulong seed)
    {
        var model = Seeded(new OpenNetwork());
        return new(model, Strategy(Small with { KeepsIndices = keepsIndices, Seed = seed }).Attach(model).CreateOptimizer(0.01));
    }

    private sealed record Trained(OpenNetwork Model, LowRankOptimizer Optimizer) : IDisposable
    {
        public void Dispose()
        {
            Optimizer.Dispose();
            Model.Dispose();
        }
    }
}
