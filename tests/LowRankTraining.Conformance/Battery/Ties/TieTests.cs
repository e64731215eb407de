using FluentAssertions;
using LowRankTraining.Checkpoints;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Battery.Ties;

/// <summary>A shared weight is one parameter, however the model shares it and whatever the method.</summary>
public class TieTests
{
    private const int Steps = Methods.Period + 2;

    /// <summary>The ways in which a head shares the table, for every method with its usual targets.</summary>
    public static TheoryData<string, string> Heads => Grid(TiedHead.Ways);

    /// <summary>One object or several, and a view.</summary>
    public static TheoryData<string, string> FewHeads => Grid("head takes the table's", "transposed view");

    /// <summary>The ways in which a body shares a matrix.</summary>
    public static TheoryData<string, string> Bodies => Grid([.. TiedBody.Ways.Except([TiedBody.UsedTwice])]);

    [Theory, MemberData(nameof(Heads))]
    public void Tied_table_trains_as_one_that_only_the_embedding_holds(string method, string way)
    {
        using var model = new TiedHead(way, seed: 1);
        using var reference = new TiedHead(TiedHead.Functional, seed: 1);
        using var optimizer = Methods.Make(method).Attach(model).CreateOptimizer(lr: 0.01, weight_decay: 0.1);
        using var expected = Methods.Make(method).Attach(reference).CreateOptimizer(lr: 0.01, weight_decay: 0.1);

        model.Train(optimizer, 1, Steps);
        reference.Train(expected, 1, Steps);

        Close(TiedModel.Numbers(model.Table.weight!), TiedModel.Numbers(reference.Table.weight!));
        Close(model.Logits(), reference.Logits());
        optimizer.StateBytes.Should().Be(expected.StateBytes);
    }

    [Theory, MemberData(nameof(FewHeads))]
    public void Tied_table_is_saved_and_resumed_bit_for_bit(string method, string way)
    {
        byte[] Run(int seed, string folder, bool resumes)
        {
            using var model = new TiedHead(way, (ulong)seed);
            using var optimizer = Methods.Make(method).Attach(model).CreateOptimizer(lr: 0.01);
            if (resumes)
                TrainingCheckpoint.Load(folder, model, optimizer);
            else
                model.Train(optimizer, 1, 3);
            if (!resumes)
                TrainingCheckpoint.Save(folder, model, optimizer);
            model.Train(optimizer, 4, Steps);
            return Problems.Bits(model);
        }

        var folder = Directory.CreateTempSubdirectory("ties").FullName;
        try
        {
            var expected = Run(1, folder, resumes: false);

            Run(99, folder, resumes: true).Should().Equal(expected);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Theory, MemberData(nameof(FewHeads))]
    public void Head_that_is_named_is_adapted_for_both_uses_or_refused(string method, string way)
    {
        using var model = new TiedHead(way, seed: 1);
        var (bits, flags) = (Problems.Bits(model), Flags(model));
        var targets = Targets.Matching("body", "decoder");

        ILowRankSession session;
        try
        {
            session = Methods.Make(method).Attach(model, targets);
        }
        catch (ArgumentException refusal)
        {
            RefusedUntouched(refusal, model, bits, flags);
            using var without = Methods.Make(method).Attach(model, targets.Except("decoder")).CreateOptimizer(lr: 0.01);
            model.Train(without, 1, 2);
            return;
        }

        using var optimizer = session.CreateOptimizer(lr: 0.01);
        TrainsBothUses(method, model, optimizer);
    }

    [Theory, MemberData(nameof(Bodies))]
    public void Shared_matrix_is_trained_for_both_uses_or_refused(string method, string way)
    {
        using var model = new TiedBody(way, seed: 1);
        var (bits, flags) = (Problems.Bits(model), Flags(model));

        ILowRankSession session;
        try
        {
            session = Methods.Make(method).Attach(model, Targets.Matching("first", "second"));
        }
        catch (ArgumentException refusal)
        {
            RefusedUntouched(refusal, model, bits, flags);
            using var without = Methods.Make(method).Attach(model, Targets.Matching("decoder")).CreateOptimizer(lr: 0.01);
            model.Train(without, 1, 2);
            return;
        }

        using var optimizer = session.CreateOptimizer(lr: 0.01);
        TrainsBothUses(method, model, optimizer);
    }

    [Theory, MemberData(nameof(Methods.All), MemberType = typeof(Methods))]
    public void Two_objects_for_a_shared_matrix_train_as_one(string method)
    {
        double[]? Trained(string way)
        {
            using var model = new TiedBody(way, seed: 1);
            try
            {
                using var optimizer = Methods.Make(method).Attach(model, Targets.Matching("first", "second")).CreateOptimizer(lr: 0.01);
                model.Train(optimizer, 1, Steps);
                return model.Logits();
            }
            catch (ArgumentException)
            {
                return null;
            }
        }

        Trained("two objects").Should().Equal(Trained("one object"));
    }

    /// <summary>The loss moves; and the end of the training leaves the function.</summary>
    private static void TrainsBothUses(string method, TiedModel model, LowRankOptimizer optimizer)
    {
        using var loss = model.Loss(1);
        var before = loss.ToDouble();

        model.Train(optimizer, 1, Steps);
        using var later = model.Loss(1);
        later.ToDouble().Should().NotBe(before).And.BeLessThan(before * 1.5);
        var logits = model.Logits();
        optimizer.Session.Finish();

        if (Methods.FinishKeepsTheFunction(method))
            Close(model.Logits(), logits);
        model.parameters().Should().OnlyContain(parameter => parameter.requires_grad);
    }

    private static void RefusedUntouched(ArgumentException refusal, TiedModel model, byte[] bits, (string, bool)[] flags)
    {
        refusal.Message.Should().ContainAny("Targets.Except", "What works for them: ").And.Contain("Nothing was changed");
        Problems.Bits(model).Should().Equal(bits);
        Flags(model).Should().Equal(flags);
    }

    private static (string, bool)[] Flags(nn.Module model) => [.. model.named_parameters().Select(pair => (pair.name, pair.parameter.requires_grad))];

    private static void Close(double[] actual, double[] expected) =>
        actual.Zip(expected, (one, other) => Math.Abs(one - other)).Max().Should().BeLessThan(1e-5);

    private static TheoryData<string, string> Grid(params string[] ways)
    {
        var data = new TheoryData<string, string>();
        foreach (var method in Methods.ByName.Keys)
            foreach (var way in ways)
                data.Add(method, way);
        return data;
    }
}
