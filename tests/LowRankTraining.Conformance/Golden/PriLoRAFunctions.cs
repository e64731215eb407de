using System.Globalization;
using LowRankTraining.Conformance.Battery;
using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Golden;

/// <summary>PRILoRA, run as a whole: recorded inputs go through an adapted layer, steps of learning rate 0 prune it.</summary>
public static class PriLoRAFunctions
{
    private const string Pruned = "pruned_";

    public static IReadOnlyList<Deviation> Importance(GoldenCase golden) =>
        [Ranks(golden), .. golden.NamesAfter(Pruned).SelectMany(name => Pruning(golden, SparsityOf(name), name))];

    private static Deviation Ranks(GoldenCase golden)
    {
        var (first, last) = (golden.Whole("hp.r_first"), golden.Whole("hp.r_last"));
        using var model = new Problems.Chain(golden.Whole("hp.layers"), width: Math.Max(first, last));
        using var session = new PriLoRA { FirstRank = first, Rank = last }.Attach(model);
        return Deviation.Of("ranks", [.. session.Layers.Select(layer => (double)layer.Rank)], golden["ranks"].Values);
    }

    /// <summary>All batches are averaged, and A is pruned after the last one.</summary>
    private static List<Deviation> Pruning(GoldenCase golden, Sparsity sparsity, string name)
    {
        using var scope = NewDisposeScope();
        var batches = golden.NamesAfter("x.").Count();
        var (rank, columns) = ((int)golden["A"].Shape[0], golden["A"].Shape[1]);
        using var model = new Problems.OneMatrix(rows: rank, columns);
        using var optimizer = new PriLoRA
        {
            FirstRank = rank,
            Rank = rank,
            NormDecay = golden.Number("hp.beta"),
            PruneEvery = batches,
            Sparsity = sparsity,
        }.Attach(model).CreateOptimizer(lr: 0);

        var a = model.get_parameter("layer.lora_A")!;
        using (no_grad())
            a.copy_(Trajectory.ToTensor(golden["A"]));

        var deviations = new List<Deviation>();
        for (var batch = 1; batch <= batches; batch++)
        {
            model.call(Trajectory.ToTensor(golden[$"x.{batch}"]));
            optimizer.step();
            deviations.Add(Deviation.Of($"running_norm.{batch}", optimizer.StateOf(a)["input_norms"], golden[$"running_norm.{batch}"]));
        }

        deviations.Add(Deviation.Of($"pruned_{name}", a, golden[$"pruned_{name}"]));
        deviations.Add(Deviation.Of($"mask_{name}", a.detach().ne(0), golden[$"mask_{name}"]));
        return deviations;
    }

    /// <summary><c>half</c>, or <c>2of4</c> and the like.</summary>
    private static Sparsity SparsityOf(string name) => name.Split("of") switch
    {
        ["half"] => Sparsity.Share(0.5),
        [var zeros, var group] => Sparsity.OfEvery(int.Parse(zeros, CultureInfo.InvariantCulture), int.Parse(group, CultureInfo.InvariantCulture)),
        _ => throw new InvalidDataException($"'{Pruned}{name}' does not say what was pruned: it must be 'half', or as in '2of4'."),
    };
}
