using LanguageModel.Data;
using LanguageModel.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace LanguageModel.Training;

/// <summary>From batches of tokens to losses.</summary>
internal static class Batches
{
    /// <summary>Mean loss of <paramref name="batch"/>, in nats per token.</summary>
    public static Tensor Loss(CausalLanguageModel model, TokenBatch batch, Device device)
    {
        using var scope = NewDisposeScope();
        return model.Loss(Tokens(batch.Inputs), Tokens(batch.Targets)).MoveToOuterDisposeScope();

        Tensor Tokens(long[] values) => tensor(values, [batch.Rows, batch.Length]).to(device);
    }
}
