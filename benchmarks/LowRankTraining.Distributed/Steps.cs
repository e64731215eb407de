using System.Diagnostics;
using LanguageModel.Model;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Distributed;

/// <summary>Steps of the samples' 60m, by GaLore of rank 64 whose gradients are projected in the backward pass, or by AdamW.</summary>
internal sealed class Steps : IDisposable
{
    private const int Rows = 2, Length = 128;

    private readonly Llama _model = new(LlamaConfigs.Find("60m") with { Vocabulary = 256 }, seed: 1);
    private readonly LowRankOptimizer _optimizer;
    private readonly Tensor _input;

    /// <summary>Steps of this process together with others, or alone.</summary>
    public Steps(ICollective? world, bool byAdamW = false)
    {
        var session = byAdamW
            ? Recipe.Of("adamw", new AdamRule()).Attach(_model)
            : new GaLore { Rank = 64, RefreshEvery = 1_000_000 }.Attach(_model, gradients: GradientFlow.Projected);
        _optimizer = world is null ? session.CreateOptimizer(lr: 0.001) : session.CreateOptimizer(lr: 0.001, world);
        _optimizer.CompareEvery = 0;
        _input = randint(_model.Vocabulary, [Rows, Length], ScalarType.Int64);
        Take();
    }

    /// <summary>Takes a step.</summary>
    /// <param name="sendsInBackward">Whether the one after it sends in its backward pass.</param>
    /// <returns>Milliseconds of all of it, and of what comes after the backward pass; of its bytes, the share that had been sent by then.</returns>
    public double[] Take(bool sendsInBackward = false)
    {
        _optimizer.SendsInBackward = sendsInBackward;
        using var scope = NewDisposeScope();
        _optimizer.zero_grad();
        var before = _optimizer.BytesSent;
        var started = Stopwatch.GetTimestamp();
        _model.Loss(_input, _input).backward();
        var (computed, early) = (Stopwatch.GetTimestamp(), _optimizer.BytesSent - before);
        _optimizer.step();
        return
        [
            Stopwatch.GetElapsedTime(started).TotalMilliseconds, Stopwatch.GetElapsedTime(computed).TotalMilliseconds,
            (double)early / Math.Max(1, _optimizer.BytesSent - before),
        ];
    }

    public void Dispose()
    {
        _optimizer.Dispose();
        _model.Dispose();
        _input.Dispose();
    }
}
