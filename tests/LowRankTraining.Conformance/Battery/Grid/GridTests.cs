using FluentAssertions;
using LowRankTraining.Checkpoints;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Battery.Grid;

/// <summary>Every method on every way to write a model: it works, or it is refused with words that help.</summary>
public class GridTests : IClassFixture<OneThread>
{
    /// <summary>Past a refresh, a merge or a restart.</summary>
    private const int Steps = Methods.Period + 2;

    /// <value>Style and method of whatever works.</value>
    public static TheoryData<string, string> Working => Where(Works);

    /// <value>Those of <see cref="Working"/> whose model TorchSharp can move.</value>
    public static TheoryData<string, string> Movable => Where((style, method) => Works(style, method) && Styles.ByName[style].CanBeMoved);

    /// <value>Those of <see cref="Working"/> that leave a plain model behind.</value>
    public static TheoryData<string, string> Plain => Where((style, method) => Works(style, method) && method != Finishes.KeepsItsLayers);

    [Theory, MemberData(nameof(Working))]
    public void Method_trains_every_target(string style, string method)
    {
        using var untrained = new Run(style, method);
        using var run = new Run(style, method);
        using var original = Styles.ByName[style].Make(seed: 1);
        var targets = (Styles.ByName[style].Targets ?? Targets.AllLinear()).Inspect(original);

        var losses = run.Until(2 * Steps);

        losses.Should().OnlyContain(loss => double.IsFinite(loss));
        losses[^1].Should().BeLessThan(losses[0]);
        run.Optimizer.NonFiniteGradients.Should().Be(0);
        untrained.Optimizer.Session.Finish();
        run.Optimizer.Session.Finish();
        var (before, after) = (untrained.Model.state_dict(), run.Model.state_dict());
        targets.Where(name => after.TryGetValue(name, out var weight) && weight.eq(before[name]).all().ToBoolean())
            .Should().BeEmpty("each of them has a gradient");
    }

    [Theory, MemberData(nameof(Working))]
    public void Resumed_run_is_the_uninterrupted_one(string style, string method)
    {
        using var folder = new TemporaryFolder();
        using var run = new Run(style, method);
        run.Until(Methods.Period - 1);
        TrainingCheckpoint.Save(folder.Path, run.Model, run.Optimizer);
        run.Until(Steps);

        using var resumed = new Run(style, method, seed: 2);
        TrainingCheckpoint.Load(folder.Path, resumed.Model, resumed.Optimizer);
        resumed.Until(Steps);

        Problems.Bits(resumed.Model).Should().Equal(Problems.Bits(run.Model));
    }

    [Theory, MemberData(nameof(Working))]
    public void Model_in_bfloat16_is_trained(string style, string method)
    {
        using var run = new Run(style, method, dtype: ScalarType.BFloat16);

        var losses = run.Until(3);

        losses.Should().OnlyContain(loss => double.IsFinite(loss)).And.OnlyHaveUniqueItems();
        run.Optimizer.NonFiniteGradients.Should().Be(0);
        run.Model.parameters().Should().OnlyContain(parameter => parameter.dtype == ScalarType.BFloat16);
    }

    [Theory, MemberData(nameof(Movable))]
    public void Model_moved_to_bfloat16_between_method_and_optimizer_is_trained(string style, string method)
    {
        using var run = new Run(style, method, thenTo: ScalarType.BFloat16);

        var losses = run.Until(3);
        run.Optimizer.Session.Finish();

        losses.Should().OnlyContain(loss => double.IsFinite(loss)).And.OnlyHaveUniqueItems();
        run.Optimizer.NonFiniteGradients.Should().Be(0);
        run.Model.parameters().Should().OnlyContain(parameter => parameter.dtype == ScalarType.BFloat16);
        run.Output().Should().OnlyContain(value => double.IsFinite(value));
    }

    [Theory, MemberData(nameof(Working))]
    public void Finished_model_computes_what_was_trained(string style, string method)
    {
        using var run = new Run(style, method);
        run.Until(Steps);
        var trained = run.Output();

        run.Optimizer.Session.Finish();

        if (!Finishes.ChangesTheFunction(method))
            Distance(run.Output(), trained).Should().BeLessThan(1e-4);
        else
            run.Output().Should().OnlyContain(value => double.IsFinite(value)).And.NotEqual(trained);
    }

    [Theory, MemberData(nameof(Plain))]
    public void File_of_a_finished_model_is_that_of_a_plain_one(string style, string method)
    {
        using var run = new Run(style, method);
        run.Until(Steps);
        run.Optimizer.Session.Finish();
        using var elsewhere = Styles.ByName[style].Make(seed: 3);

        Load(elsewhere, Saved(run.Model));

        Styles.ByName[style].OutputOf(elsewhere).Should().Equal(run.Output());
        Anatomy.Of(run.Model).Should().BeEquivalentTo(Anatomy.Of(elsewhere));
    }

    internal static TheoryData<string, string> Where(Func<string, string, bool> belongs)
    {
        var data = new TheoryData<string, string>();
        foreach (var style in Styles.ByName.Keys)
            foreach (var method in Methods.ByName.Keys.Where(method => belongs(style, method)))
                data.Add(style, method);
        return data;
    }

    private static bool Works(string style, string method) => !Refusals.All.Any(refusal => refusal.Holds(style, method));

    private static byte[] Saved(nn.Module model)
    {
        using var stream = new MemoryStream();
        model.save(stream);
        return stream.ToArray();
    }

    private static void Load(nn.Module model, byte[] file)
    {
        using var stream = new MemoryStream(file);
        model.load(stream);
    }

    private static double Distance(double[] actual, double[] expected) => actual.Zip(expected, (a, b) => Math.Abs(a - b)).Max() / expected.Max(Math.Abs);
}
