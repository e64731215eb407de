using LanguageModel.Data;
using LanguageModel.Model;
using LowRankTraining;
using TorchSharp;
using static TorchSharp.torch;

namespace LanguageModel.Training;

/// <summary>Loss on a fixed set of sequences.</summary>
public static class Evaluation
{
    /// <summary>Mean loss over all targets of <paramref name="batches"/> that count, each weighing the same, in nats.</summary>
    /// <exception cref="OperationCanceledException"><paramref name="interruption"/> came before the last batch.</exception>
    public static double Loss(
        CausalLanguageModel model, IReadOnlyList<TokenBatch> batches, Device device, ICollective? world = null, CancellationToken interruption = default)
    {
        using var frozen = no_grad();
        model.eval();
        try
        {
            var (sum, counted, parts) = (0.0, 0L, world?.Size ?? 1);
            foreach (var (_, batch) in batches.Index().Where(pair => pair.Index % parts == (world?.Rank ?? 0)))
            {
                // Several processes stop together, after it.
                if (parts == 1)
                    interruption.ThrowIfCancellationRequested();
                using var scope = NewDisposeScope();
                sum += Batches.Loss(model, batch, device).ToDouble() * batch.Counted;
                counted += batch.Counted;
            }

            var sums = world.Sum(sum, counted);
            return sums[0] / sums[1];
        }
        finally
        {
            model.train();
        }
    }
}
