using LanguageModel.Data;
using LanguageModel.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace LanguageModel.Training;

/// <summary>Loss on a fixed set of sequences.</summary>
public static class Evaluation
{
    /// <summary>Mean loss over all tokens of <paramref name="batches"/>, each token weighing the same, in nats.</summary>
    /// <exception cref="OperationCanceledException"><paramref name="interruption"/> came before the last batch.</exception>
    public static double Loss(Llama model, IReadOnlyList<TokenBatch> batches, Device device, CancellationToken interruption = default)
    {
        using var frozen = no_grad();
        model.eval();
        try
        {
            var (sum, tokens) = (0.0, 0L);
            foreach (var batch in batches)
            {
                interruption.ThrowIfCancellationRequested();
                using var scope = NewDisposeScope();
                sum += Batches.Loss(model, batch, device).ToDouble() * batch.Inputs.Length;
                tokens += batch.Inputs.Length;
            }

            return sum / tokens;
        }
        finally
        {
            model.train();
        }
    }
}
