using LowRankTraining.Rules;
using LowRankTraining.Strategies;
using LowRankTraining.Subspace;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Benchmarks;

/// <summary>What is compared, each as a user would make it.</summary>
internal static class Methods
{
    /// <value>What the methods are measured against.</value>
    public const string AdamW = "AdamW of TorchSharp";

    /// <summary>An optimizer for the matrices.</summary>
    /// <param name="method">Its name in the tables.</param>
    /// <param name="matrices">What it updates.</param>
    /// <param name="rank">Dimensions of the subspaces.</param>
    /// <param name="refreshing">When and how subspaces are found anew; null for never after the first step.</param>
    public static optim.Optimizer Make(string method, Matrices matrices, int rank, Refreshing? refreshing = null) => method == AdamW
        ? optim.AdamW(matrices.Parameters, lr: 1e-3)
        : Attach(method, matrices.Parameters, rank, refreshing ?? Refreshing.Never).CreateOptimizer(lr: 1e-2);

    /// <summary>A projecting method at work.</summary>
    public static ILowRankSession Attach(string method, IEnumerable<(string name, Parameter parameter)> parameters, int rank, Refreshing refreshing) => method switch
    {
        "GaLore" => new GaLoreStrategy(new() { Rank = rank, RefreshEvery = refreshing.Every, Staggered = refreshing.Staggered, Basis = refreshing.Basis }).Attach(parameters),
        "8-bit GaLore" => new GaLoreStrategy(new() { Rank = rank, RefreshEvery = refreshing.Every, States = StateFormat.Blockwise8Bit }).Attach(parameters),
        "GaLore with Adafactor" => new GaLoreStrategy(new() { Rank = rank, RefreshEvery = refreshing.Every, Inner = GaLoreInner.Adafactor }).Attach(parameters),
        "Q-GaLore" => new QGaLoreStrategy(new() { Rank = rank, RefreshEvery = refreshing.Every, Basis = refreshing.Basis }).Attach(parameters),
        "Fira" => new FiraStrategy(new() { Rank = rank, RefreshEvery = refreshing.Every, Staggered = refreshing.Staggered, Basis = refreshing.Basis }).Attach(parameters),
        "SPAM" => new SpamStrategy().Attach(parameters),
        "Stable-SPAM" => new StableSpamStrategy().Attach(parameters),
        "Flora" => new FloraStrategy(new() { Rank = rank }).Attach(parameters),
        _ => throw new ArgumentException($"Unknown method '{method}'.", nameof(method)),
    };

    /// <summary>Every basis, by its name in the tables.</summary>
    public static IBasis Basis(string basis) => basis switch
    {
        "exact SVD" => new ExactSvdBasis(),
        "randomized SVD" => new RandomizedSvdBasis(),
        "warm-started" => new WarmStartedBasis(),
        _ => throw new ArgumentException($"Unknown basis '{basis}'.", nameof(basis)),
    };
}

/// <summary>When and how subspaces are found anew.</summary>
/// <param name="Every">Steps between two refreshes of a matrix.</param>
/// <param name="Basis">How; null for the method's own way.</param>
/// <param name="Staggered">Whether each matrix has its own turn.</param>
internal sealed record Refreshing(long Every, IBasis? Basis = null, bool Staggered = false)
{
    /// <value>Only in the first step.</value>
    public static Refreshing Never { get; } = new(1_000_000_000);
}
