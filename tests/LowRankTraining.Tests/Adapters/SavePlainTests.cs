using FluentAssertions;
using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using TorchSharp;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Adapters;

/// <summary>Files of plain models go in and out while factors are attached.</summary>
public sealed class SavePlainTests : IDisposable
{
    private readonly string _file = Path.GetTempFileName();

    public static TheoryData<ILowRankStrategy> Methods =>
    [
        new LoRA { Rank = 4 }, new LoRA { Rank = 4, Injection = Injection.Hook }, new ReLoRA { Rank = 4, MergeEvery = 2 }, new DoRA { Rank = 4 },
        new LoRA { Rank = 4, Init = FactorInit.PiSSA }, new PriLoRA { Rank = 4 },
        new LoRA { Rank = 4, Injection = Injection.Shadow },
    ];

    [Theory, MemberData(nameof(Methods))]
    public void Plain_model_is_saved_and_training_goes_on_as_if_it_had_not_been(ILowRankStrategy method)
    {
        using var model = Seeded(new OpenNetwork());
        using var other = Seeded(new OpenNetwork());
        using var optimizer = method.Attach(model).CreateOptimizer(0.01);
        using var undisturbed = method.Attach(other).CreateOptimizer(0.01);
        Run(model, optimizer, 3);
        Run(other, undisturbed, 3);

        ((AdapterSession)optimizer.Session).SavePlain(_file);
        Run(model, optimizer, 2);
        Run(other, undisturbed, 2);

        Weights(model).Should().BeEquivalentTo(Weights(other));
        using var plain = Seeded(new OpenNetwork(), 99);
        plain.load(_file);
        using var finished = Seeded(new OpenNetwork());
        using var ended = method.Attach(finished).CreateOptimizer(0.01);
        Run(finished, ended, 3);
        ended.Session.Finish();
        Weights(plain).Should().BeEquivalentTo(Weights(finished));
    }

    [Fact]
    public void Plain_file_goes_under_the_factors()
    {
        using var best = Seeded(new OpenNetwork(), 5);
        best.save(_file);
        using var model = Seeded(new OpenNetwork());
        using var session = new LoRA { Rank = 4 }.Attach(model);

        model.load(_file, strict: false);

        Output(model).Should().Equal(Output(best));
    }

    /// <summary>The weight of a shadowed layer is the merged one, so that what is loaded is what the model computes, whatever the factors are.</summary>
    [Fact]
    public void Plain_file_takes_the_place_of_shadowed_weights_and_training_goes_on_from_it()
    {
        using var best = Seeded(new OpenNetwork(), 5);
        best.save(_file);
        using var model = Seeded(new OpenNetwork());
        using var optimizer = new LoRA { Rank = 4, Injection = Injection.Shadow }.Attach(model).CreateOptimizer(0.01);
        Run(model, optimizer, 3);

        model.load(_file);
        Output(model).Should().Equal(Output(best));
        Run(model, optimizer, 1);
        Output(model).Should().NotEqual(Output(best));
        var trained = Output(model);
        optimizer.Session.Finish();

        Output(model).Should().Equal(trained);
    }

    [Fact]
    public void Model_in_evaluation_mode_and_merged_is_saved_as_it_is()
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer = new LoRA { Rank = 4 }.Attach(model).CreateOptimizer(0.01);
        Run(model, optimizer, 2);
        var session = (AdapterSession)optimizer.Session;
        session.Merge();

        session.SavePlain(_file);

        session.IsMerged.Should().BeTrue();
        using var plain = Seeded(new OpenNetwork(), 99);
        plain.load(_file);
        Output(plain).Should().Equal(Output(model));
    }

    [Fact]
    public void What_cannot_be_merged_for_a_while_says_so_and_leaves_the_file()
    {
        using var model = Seeded(new OpenNetwork());
        using var session = new SLTrain { Rank = 4 }.Attach(model);
        File.WriteAllText(_file, "good");

        session.Invoking(it => it.SavePlain(_file)).Should().Throw<NotSupportedException>();

        File.ReadAllText(_file).Should().Be("good");
    }

    public void Dispose() => File.Delete(_file);
}
