using LowRankTraining.Mixing;
using LowRankTraining.Strategies;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Documentation;

/// <summary>The example of docs/data-mixing.md.</summary>
internal static class DataMixingExample
{
    public static IReadOnlyList<SourceShare> Train(nn.Module<Tensor, Tensor> model, Dictionary<string, Numbers> batches, int steps, string path)
    {
        var strategy = new LoRA { Rank = 64 };
        using var optimizer = strategy.Attach(model).CreateOptimizer(lr: 1e-3);
        using var mixer = new GradientAlignmentMixer(["web", "books", "forum"], GradientView.For(optimizer.Session));

        for (var step = 0; step < steps; step++)
        {
            optimizer.zero_grad();
            var draw = mixer.Next();                                  // a source, and how many were drawn from it before
            using var loss = Loss(model, batches[draw.Source].At(draw.Index));
            mixer.Observe(draw.Source, () => loss.backward());        // as often as there are micro-batches in an update
            mixer.Update();                                           // before the optimizer's step
            optimizer.step();
        }

        mixer.Save(path);                                             // Load(path) goes on with the same draws

        return mixer.Mixture;
    }

    private static Tensor Loss(nn.Module<Tensor, Tensor> model, (Tensor Input, Tensor Target) batch)
    {
        using var scope = NewDisposeScope();
        return nn.functional.mse_loss(model.call(batch.Input), batch.Target).MoveToOuterDisposeScope();
    }

    /// <summary>Batches that depend on their number alone.</summary>
    public sealed record Numbers(ulong Seed)
    {
        public (Tensor Input, Tensor Target) At(long index) =>
            (Draw.Normal(6, 12, Seed + (ulong)index).to(ScalarType.Float32), Draw.Normal(6, 6, Seed + (ulong)index + 1).to(ScalarType.Float32));
    }
}
