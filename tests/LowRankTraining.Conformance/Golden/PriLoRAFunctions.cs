using LowRankTraining.Adapters;
using LowRankTraining.Conformance.Battery;
using LowRankTraining.Strategies;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Golden;

/// <summary>PRILoRA, run as a whole: recorded inputs go through an adapted layer, steps of learning rate 0 prune it.</summary>
public static class PriLoRAFunctions
{
    private const int Batches = 4;

    public static IReadOnlyList<Deviation> Importance(GoldenCase golden) =>
    [
        Ranks(golden),
        .. Pruning(golden, Sparsity.Share(0.5), "half"),
        .. Pruning(golden, Sparsity.TwoOfFour, "2of4"),
    ];

    private static Deviation Ranks(GoldenCase golden)
    {
        using var model = new Problems.Chain(golden.Whole("hp.layers"), width: 16);
        using var session = new PriLoRAStrategy(new() { FirstRank = golden.Whole("hp.r_first"), Rank = golden.Whole("hp.r_last") }).Attach(model);
        return Deviation.Of("ranks", [.. session.Layers.Select(layer => (double)layer.Rank)], golden["ranks"].Values);
    }

    /// <summary>The first three batches are averaged only, after the fourth A is pruned.</summary>
    private static List<Deviation> Pruning(GoldenCase golden, Sparsity sparsity, string name)
    {
        using var scope = NewDisposeScope();
        var (rank, columns) = ((int)golden["A"].Shape[0], golden["A"].Shape[1]);
        using var model = new Problems.OneMatrix(rows: 8, columns);
        using var optimizer = new PriLoRAStrategy(new()
        {
            FirstRank = rank,
            Rank = rank,
            NormDecay = golden.Number("hp.beta"),
            PruneEvery = Batches,
            Sparsity = sparsity,
        }).Attach(model).CreateOptimizer(lr: 0);

        var a = model.get_parameter("layer.lora_A")!;
        using (no_grad())
            a.copy_(Trajectory.ToTensor(golden["A"]));

        var deviations = new List<Deviation>();
        for (var batch = 1; batch <= Batches; batch++)
        {
            model.call(Trajectory.ToTensor(golden[$"x.{batch}"]));
            optimizer.step();
            deviations.Add(Deviation.Of($"running_norm.{batch}", optimizer.For(a)["input_norms"], golden[$"running_norm.{batch}"]));
        }

        deviations.Add(Deviation.Of($"pruned_{name}", a, golden[$"pruned_{name}"]));
        deviations.Add(Deviation.Of($"mask_{name}", a.detach().ne(0), golden[$"mask_{name}"]));
        return deviations;
    }
}
