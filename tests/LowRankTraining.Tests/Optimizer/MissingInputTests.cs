using FluentAssertions;
using LowRankTraining.Checkpoints;
using LowRankTraining.Layers;
using LowRankTraining.Mixing;
using LowRankTraining.Schedules;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Adapters;
using LowRankTraining.Tests.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Optimizer;

/// <summary>What is not there: null where something is wanted, and models that were disposed before what works on them.</summary>
public sealed class MissingInputTests : IDisposable
{
    private readonly TemporaryDirectory _folder = new();

    private static readonly Dictionary<string, Action> Nulls = new()
    {
        ["a list of parameters"] = () => GaLore.AdamW((IEnumerable<(string, Parameter)>)null!),
        ["a parameter in a list"] = () => GaLore.AdamW([("a", null!)]),
        ["a name in a list"] = () => GaLore.AdamW([(null!, new Parameter(ones(8, 8)))]),
        ["a model"] = () => new SLTrain { Density = 0.1 }.Attach(null!),
        ["a group's list"] = () => _ = new LowRankOptimizer.ParamGroup((IEnumerable<Parameter>)null!),
        ["a group's list of names"] = () => _ = new LowRankOptimizer.ParamGroup((IEnumerable<(string, Parameter)>)null!),
        ["a pattern of targets"] = () => Targets.Matching(null!),
        ["patterns that are left out"] = () => Targets.AllLinear().Except(null!),
        ["a tensor for a file"] = () => SafeTensorsFile.Write("never", [("a", null!)]),
        ["a tensor's name"] = () => SafeTensorsFile.Write("never", [(null!, ones(2))]),
        ["a file's name"] = () => SafeTensorsFile.Write(null!, []),
    };

    public static TheoryData<string> Wanted => [.. Nulls.Keys];

    public static TheoryData<string> Methods => ["galore", "q-galore", "lora", "dora", "sltrain", "cola"];

    [Theory, MemberData(nameof(Wanted))]
    public void Null_is_refused_by_name(string wanted) => Nulls[wanted].Should().Throw<ArgumentException>(wanted);

    [Fact]
    public void Group_with_a_parameter_that_is_null_or_disposed_is_refused_and_changes_nothing()
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer = new GaLore { Rank = 2 }.Attach(model).CreateOptimizer();
        var disposed = new Parameter(ones(8, 8));
        disposed.Dispose();

        foreach (var missing in new[] { null!, disposed })
            foreach (var group in new Func<LowRankOptimizer.ParamGroup>[] { () => new([missing]), () => new([("a name", missing)]) })
                FluentActions.Invoking(() => optimizer.add_param_group(group()))
                    .Should().Throw<ArgumentException>().WithMessage("*null or was disposed*Nothing was changed*");

        optimizer.ParamGroups.Should().HaveCount(1);
    }

    [Theory, MemberData(nameof(Methods))]
    public void Session_of_a_model_that_was_disposed_says_so(string method)
    {
        var model = Seeded(new OpenNetwork());
        using var session = OptionTrial.Asking(LowRankStrategies.Create(method)).Attach(model);
        model.Dispose();

        foreach (var call in Calls(session))
            call.Should().Throw<InvalidOperationException>().WithMessage("*disposed*");
        FluentActions.Invoking(() => GradientView.For(session)).Should().Throw<ArgumentException>().WithMessage("*disposed*");
    }

    [Theory, MemberData(nameof(Methods))]
    public void Optimizer_that_was_disposed_and_one_whose_model_is_gone_say_so(string method)
    {
        foreach (var isOptimizer in new[] { true, false })
        {
            var model = Seeded(new OpenNetwork());
            var optimizer = OptionTrial.Asking(LowRankStrategies.Create(method)).Attach(model).CreateOptimizer();
            var parameter = optimizer.Session.Parameters[^1].Parameter;
            if (isOptimizer)
                optimizer.Dispose();
            else
                model.Dispose();

            foreach (var call in new Action[]
            {
                () => optimizer.StateOf(parameter),
                () => new LinearSchedule { TotalSteps = 10 }.Bind(optimizer),
                () => optim.lr_scheduler.OneCycleLR(optimizer, 0.1, 10),
                () => _ = optimizer.Betas,
                () => optimizer.Betas = (0.5, 0.5),
                () => optimizer.state_dict(),
            })
                call.Should().Throw<InvalidOperationException>().WithMessage(isOptimizer ? "*optimizer has been disposed*" : "*model was disposed*");

            optimizer.Dispose();
            model.Dispose();
        }
    }

    [Fact]
    public void Parameter_of_a_model_that_was_moved_is_told_from_one_of_another_model()
    {
        using OpenNetwork model = Seeded(new OpenNetwork()), other = Seeded(new OpenNetwork());
        using var optimizer = new GaLore { Rank = 2 }.Attach(model).CreateOptimizer();

        optimizer.Invoking(one => one.StateOf(other.parameters().First())).Should().Throw<ArgumentException>().WithMessage("*does not handle*");
        model.to(ScalarType.Float64);
        optimizer.Invoking(one => one.StateOf(model.parameters().First())).Should().Throw<InvalidOperationException>().WithMessage("*model.to*");
    }

    /// <summary>They have been in its state.</summary>
    [Fact]
    public void Shadowed_factors_of_an_optimizer_that_was_disposed_are_not_saved_as_untrained_ones()
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer = new LoRA { Rank = 2, Injection = Injection.Shadow }.Attach(model).CreateOptimizer(0.01);
        Run(model, optimizer, 2);
        optimizer.Dispose();

        FluentActions.Invoking(() => PeftAdapter.Save(_folder.Path, (AdapterSession)optimizer.Session))
            .Should().Throw<ObjectDisposedException>();
        Directory.GetFiles(_folder.Path).Should().BeEmpty();
    }

    [Fact]
    public void Model_that_was_disposed_has_no_matrix_and_that_may_be_why()
    {
        var model = Seeded(new OpenNetwork());
        model.Dispose();

        FluentActions.Invoking(() => new GaLore().Attach(model)).Should().Throw<ArgumentException>().WithMessage("*disposed*");
    }

    /// <summary>A text file would have to hold what is no text.</summary>
    [Fact]
    public void Half_of_a_letter_in_a_name_is_refused_before_anything_is_saved()
    {
        using var model = nn.Sequential(("a\ud800", nn.Linear(8, 8)));
        using var optimizer = new GaLore { Rank = 2 }.Attach(model, Targets.AllMatrices()).CreateOptimizer();
        var path = Path.Combine(_folder.Path, "file");

        foreach (var save in new Action[]
        {
            () => TrainingCheckpoint.Save(_folder.Path, model, optimizer),
            () => optimizer.save_state_dict(path),
            () => SafeTensorsFile.Write(path, [("a\udc00", ones(2))]),
            () => SafeTensorsFile.Write(path, [("a", ones(2))], new Dictionary<string, string> { ["key"] = "\ud800" }),
            () => _ = new FixedMixer(["a\ud800", "b"]),
        })
            save.Should().Throw<ArgumentException>().WithMessage("*half of a letter*");

        Directory.GetFiles(_folder.Path).Should().BeEmpty();
    }

    public void Dispose() => _folder.Dispose();

    private IEnumerable<Action> Calls(ILowRankSession session)
    {
        yield return () => MemoryPlan.For(session);
        if (session is not AdapterSession adapters)
            yield break;

        yield return () => adapters.Describe();
        yield return () => _ = adapters.Layers;
        yield return () => _ = adapters.FrozenBytes;
        if (adapters.Strategy == "cola")
            yield break;
        yield return () => adapters.Merge();
        yield return () => adapters.Verify(() => { });
        yield return () => adapters.SavePlain(Path.Combine(_folder.Path, "plain"));
        yield return () => PeftAdapter.Save(_folder.Path, adapters);
        yield return adapters.Finish;
    }
}
