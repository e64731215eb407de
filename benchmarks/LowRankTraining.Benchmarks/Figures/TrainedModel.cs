using LanguageModel.Data;
using LanguageModel.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Benchmarks.Figures;

/// <summary>A language model of the samples with what trains it: TorchSharp's AdamW, or a method.</summary>
internal sealed record TrainedModel(Llama Model, optim.Optimizer Optimizer) : IDisposable
{
    private const long Seed = 42;

    /// <param name="name">A configuration of the samples; tokens are bytes.</param>
    /// <param name="strategy">The method; AdamW when null.</param>
    /// <param name="gradients">What becomes of gradients.</param>
    public static TrainedModel By(string name, ILowRankStrategy? strategy, GradientFlow gradients = GradientFlow.Whole)
    {
        var model = Llama.Create(LlamaConfigs.Find(name) with { Vocabulary = TextCorpus.Vocabulary }, Seed, CPU, ScalarType.Float32);
        return new(model, strategy is null ? optim.AdamW(model.parameters(), lr: 1e-3) : strategy.Attach(model, null, gradients).CreateOptimizer(lr: 1e-3));
    }

    public static Tensor Tokens(long batch, long sequence)
    {
        using var generator = new Generator(Seed, CPU);
        return randint(TextCorpus.Vocabulary, [batch, sequence], ScalarType.Int64, generator: generator);
    }

    public void Step(Tensor tokens)
    {
        using var scope = NewDisposeScope();
        Optimizer.zero_grad();
        Model.Loss(tokens[.., ..^1], tokens[.., 1..].contiguous()).backward();
        Optimizer.step();
    }

    public void Dispose()
    {
        Optimizer.Dispose();
        Model.Dispose();
    }
}
