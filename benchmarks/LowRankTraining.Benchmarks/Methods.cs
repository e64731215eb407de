using LowRankTraining.Strategies;
using LowRankTraining.Subspace;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Benchmarks;

/// <summary>What is compared, each as a user would make it.</summary>
internal static class Methods
{
    private const long Never = 1_000_000_000;

    public static optim.Optimizer Make(string method, Matrices matrices, int rank) => method switch
    {
        "AdamW of TorchSharp" => optim.AdamW(matrices.Parameters, lr: 1e-3),
        "GaLore" => new GaLoreStrategy(new() { Rank = rank, RefreshEvery = Never }).Attach(matrices.Parameters).CreateOptimizer(lr: 1e-2),
        "Q-GaLore" => new QGaLoreStrategy(new() { Rank = rank, RefreshEvery = Never }).Attach(matrices.Parameters).CreateOptimizer(lr: 1.5e-2),
        "Fira" => new FiraStrategy(new() { Rank = rank, RefreshEvery = Never }).Attach(matrices.Parameters).CreateOptimizer(lr: 1e-2),
        _ => throw new ArgumentException($"Unknown method '{method}'.", nameof(method)),
    };

    public static IBasis Basis(string basis) => basis switch
    {
        "exact SVD" => new ExactSvdBasis(),
        "randomized SVD" => new RandomizedSvdBasis(),
        "warm-started" => new WarmStartedBasis(),
        _ => throw new ArgumentException($"Unknown basis '{basis}'.", nameof(basis)),
    };
}
