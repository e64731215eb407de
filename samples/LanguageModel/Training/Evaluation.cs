using LanguageModel.Data;
using LanguageModel.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace LanguageModel.Training;

/// <summary>Loss on a fixed set of sequences.</summary>
public static class Evaluation
{
    /// <summary>Mean loss over all targets of <paramref name="batches"/> that count, each weighing the same, in nats.</summary>
    /// <exception cref="OperationCanceledException"><paramref name="interruption"/> came before the last batch.</exception>
    public static double Loss(
        CausalLanguageModel model, IReadOnlyList<TokenBatch> batches, Device device, CancellationToken interruption = default)
    {
        using var frozen = no_grad();
        model.eval();
        try
        {
            var (sum, counted) = (0.0, 0L);
            foreach (var batch in batches)
            {
                interruption.ThrowIfCancellationRequested();
                using var scope = NewDisposeScope();
                sum += Batches.Loss(model, batch, device).ToDouble() * batch.Counted;
                counted += batch.Counted;
            }

            return sum / counted;
        }
        finally
        {
            model.train();
        }
    }
}
