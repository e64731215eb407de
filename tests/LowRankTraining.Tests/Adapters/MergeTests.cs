using FluentAssertions;
using LowRankTraining.Checkpoints;
using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using TorchSharp;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Adapters;

public class MergeTests
{
    public static TheoryData<string, Injection, ScalarType> Ways => new()
    {
        { "lora", Injection.Replace, ScalarType.Float32 },
        { "lora", Injection.Replace, ScalarType.BFloat16 },
        { "lora", Injection.Hook, ScalarType.Float32 },
        { "lora", Injection.Auto, ScalarType.Float32 },
        { "lora", Injection.Shadow, ScalarType.Float32 },
        { "relora", Injection.Replace, ScalarType.Float32 },
        { "dora", Injection.Replace, ScalarType.Float32 },
        { "dora", Injection.Hook, ScalarType.BFloat16 },
    };

    [Theory, MemberData(nameof(Ways))]
    public void Merged_model_computes_the_same_and_unmerging_restores_every_bit(string method, Injection injection, ScalarType dtype)
    {
        using var model = Seeded(new OpenNetwork(dtype));
        using var optimizer = Make(method, injection).Attach(model).CreateOptimizer(0.01);
        Run(model, optimizer, 4);
        var session = (AdapterSession)optimizer.Session;
        var (output, weights) = (Output(model), Weights(model));

        session.Merge();
        session.IsMerged.Should().BeTrue();
        Distance(Output(model), output).Should().BeLessThan(dtype == ScalarType.BFloat16 ? 0.05 : 1e-6);
        if (injection != Injection.Shadow)
            Weights(model)["second.weight"].Should().NotEqual(weights["second.weight"]);

        session.Unmerge();
        Weights(model).Should().BeEquivalentTo(weights);
        Output(model).Should().Equal(output);
        model.Invoking(_ => Run(model, optimizer, 3)).Should().NotThrow("training goes on");
    }

    [Fact]
    public void Merged_forward_is_that_of_the_plain_layer()
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer = Make("lora", Injection.Replace).Attach(model).CreateOptimizer(0.01);
        Run(model, optimizer, 4);
        ((AdapterSession)optimizer.Session).Merge(keep: CPU);
        using var plain = new OpenNetwork();
        using (no_grad())
            foreach (var (name, parameter) in plain.named_parameters())
                parameter.copy_(model.get_parameter(name)!);

        Output(model).Should().Equal(Output(plain), "the factors take no part");
    }

    [Theory]
    [InlineData("lora", Injection.Replace), InlineData("lora", Injection.Hook), InlineData("relora", Injection.Replace)]
    [InlineData("dora", Injection.Replace), InlineData("dora", Injection.Hook), InlineData("prilora", Injection.Replace), InlineData("prilora", Injection.Hook)]
    public void Merging_for_a_while_and_for_good_give_a_bfloat16_weight_the_same_bits(string method, Injection injection)
    {
        using var model = Seeded(new OpenNetwork(ScalarType.BFloat16));
        using var optimizer = Make(method, injection).Attach(model).CreateOptimizer(0.01);
        Run(model, optimizer, 4);
        var session = (AdapterSession)optimizer.Session;

        session.Merge();
        var merged = Weights(model);
        session.Finish();

        var finished = Weights(model);
        finished["first.weight"].Should().Equal(merged["first.weight"]);
        finished["second.weight"].Should().Equal(merged["second.weight"]);
    }

    [Fact]
    public void No_step_is_taken_while_merged()
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer = new LoRA { Rank = 4, TrainOthers = true }.Attach(model).CreateOptimizer(0.01);
        Run(model, optimizer, 2);
        ((AdapterSession)optimizer.Session).Merge();
        var before = Weights(model);

        FluentActions.Invoking(() => Step(model, optimizer)).Should().Throw<InvalidOperationException>().WithMessage("*Unmerge()*");

        Weights(model).Should().BeEquivalentTo(before);
        optimizer.CompletedSteps.Should().Be(2);
    }

    [Fact]
    public void Merging_twice_and_unmerging_what_is_not_merged_are_errors()
    {
        using var model = Seeded(new OpenNetwork());
        using var session = InjectionTests.LoRA(Injection.Auto).Attach(model);

        session.Invoking(plain => plain.Unmerge()).Should().Throw<InvalidOperationException>().WithMessage("*not merged*");
        session.Merge();
        session.Invoking(merged => merged.Merge()).Should().Throw<InvalidOperationException>().WithMessage("*Unmerge()*");
        session.Finish();
        session.Invoking(finished => finished.Merge()).Should().Throw<InvalidOperationException>().WithMessage("*finished*");
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(3e38)]
    public void Safe_merge_refuses_what_is_not_finite_and_changes_nothing(double bad)
    {
        using var model = Seeded(new OpenNetwork());
        using var session = InjectionTests.LoRA(Injection.Replace).Attach(model);
        using (no_grad())
            model.get_parameter("second.lora_B")!.fill_(bad);
        var before = Weights(model);

        session.Invoking(broken => broken.Merge()).Should().Throw<InvalidOperationException>().WithMessage("*second.weight*NaN or infinity*");

        session.IsMerged.Should().BeFalse();
        Weights(model).Should().BeEquivalentTo(before);
        session.Merge(safe: false);
        Values(model.get_parameter("second.weight")!).Should().Contain(value => !double.IsFinite(value));
    }

    [Fact]
    public void Evaluation_mode_does_not_merge()
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer = Make("lora", Injection.Replace).Attach(model).CreateOptimizer(0.01);
        Run(model, optimizer, 2);
        var before = Weights(model);

        model.eval();
        Output(model);
        model.train();

        Weights(model).Should().BeEquivalentTo(before);
    }

    [Theory]
    [InlineData("lora")]
    [InlineData("dora")]
    public void Finishing_gives_the_same_whether_merged_or_not(string method)
    {
        Finished(merge: true).Should().BeEquivalentTo(Finished(merge: false));

        Dictionary<string, double[]> Finished(bool merge)
        {
            using var model = Seeded(new OpenNetwork(ScalarType.BFloat16));
            using var optimizer = Make(method, Injection.Replace).Attach(model).CreateOptimizer(0.01);
            Run(model, optimizer, 3);
            if (merge)
                ((AdapterSession)optimizer.Session).Merge();
            optimizer.Session.Finish();
            return Weights(model);
        }
    }

    [Fact]
    public void Checkpoint_of_a_merged_model_is_refused()
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer = Make("lora", Injection.Replace).Attach(model).CreateOptimizer(0.01);
        ((AdapterSession)optimizer.Session).Merge();
        var folder = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());

        FluentActions.Invoking(() => TrainingCheckpoint.Save(folder, model, optimizer)).Should().Throw<InvalidOperationException>()
            .WithMessage("*Unmerge()*Nothing was saved*");

        Directory.Exists(folder).Should().BeFalse();
    }

    [Fact]
    public void Checkpoint_is_not_loaded_into_a_merged_model()
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer = Make("lora", Injection.Replace).Attach(model).CreateOptimizer(0.01);
        var session = (AdapterSession)optimizer.Session;
        var folder = Directory.CreateTempSubdirectory("lowrank-").FullName;
        try
        {
            Run(model, optimizer, 2);
            var saved = Weights(model);
            TrainingCheckpoint.Save(folder, model, optimizer);
            using var state = new MemoryStream();
            optimizer.save_state_dict(new BinaryWriter(state));
            Run(model, optimizer, 2);
            session.Merge();
            var merged = Weights(model);

            FluentActions.Invoking(() => TrainingCheckpoint.Load(folder, model, optimizer)).Should().Throw<InvalidOperationException>()
                .WithMessage("*Unmerge()*Nothing was changed*");
            FluentActions.Invoking(() => optimizer.load_state_dict(new BinaryReader(new MemoryStream(state.ToArray())))).Should()
                .Throw<InvalidOperationException>().WithMessage("*Unmerge()*");
            Weights(model).Should().BeEquivalentTo(merged);

            session.Unmerge();
            TrainingCheckpoint.Load(folder, model, optimizer).Should().Be(2);
            Weights(model).Should().BeEquivalentTo(saved);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void Factors_do_not_start_from_a_gradient_while_merged()
    {
        using var model = Seeded(new OpenNetwork());
        using var session = new LoRA { Rank = 4, Init = FactorInit.LoRAGA }.Attach(model);
        session.Merge();

        session.Invoking(merged => merged.Initialize(() => model.call(Inputs(model)).square().mean().backward())).Should().Throw<InvalidOperationException>()
            .WithMessage("*Unmerge()*");
    }

    private static ILowRankStrategy Make(string method, Injection injection) => method switch
    {
        "lora" => new LoRA { Rank = 4, Injection = injection },
        "relora" => new ReLoRA { Rank = 4, Alpha = 4, MergeEvery = 3, Injection = injection },
        "prilora" => new PriLoRA { Rank = 4, FirstRank = 4, PruneEvery = 3, Injection = injection },
        _ => new DoRA { Rank = 4, Injection = injection },
    };
}
