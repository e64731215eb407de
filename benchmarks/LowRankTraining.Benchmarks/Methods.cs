using LowRankTraining.Layers;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Benchmarks;

/// <summary>What is compared, each as a user would make it.</summary>
internal static class Methods
{
    /// <value>What the methods are measured against.</value>
    public const string AdamW = "AdamW of TorchSharp", ExactSvd = "exact SVD";

    private delegate ILowRankSession Attaching(IEnumerable<(string name, Parameter parameter)> parameters, int rank, Refreshing refreshing);

    /// <summary>Every method, by its name in the tables.</summary>
    private static readonly Dictionary<string, Attaching> Sessions = new()
    {
        ["AdaRankGrad"] = (parameters, rank, refreshing) => new AdaRankGrad
        {
            Rank = rank,
            Basis = refreshing.Basis ?? new AdaptiveRankBasis(),
            Refresh = new EnergyRefresh { AtLeast = refreshing.Every, AtMost = refreshing.Every },
        }.Attach(parameters),
        ["APOLLO"] = (parameters, rank, refreshing) => refreshing.Of(new Apollo { Rank = rank }).Attach(parameters),
        ["APOLLO-Mini"] = (parameters, _, refreshing) => refreshing.Of(Apollo.Mini).Attach(parameters),
        ["Balanced"] = (parameters, rank, refreshing) => refreshing.Of(new Balanced { Rank = rank }).Attach(parameters),
        ["CoLA"] = (parameters, rank, _) => Layered.Attach(new CoLA { Rank = rank, AllowUnreached = true }, parameters),
        ["Low-rank factorization"] = (parameters, rank, _) =>
            Layered.Attach(new LowRankFactorization { Rank = rank, StartsFromWeight = false, AllowUnreached = true }, parameters),
        ["Dion"] = (parameters, rank, _) => new Dion { Rank = rank }.Attach(parameters),
        ["Orth-Dion"] = (parameters, rank, _) => new Dion { Rank = rank, Orthonormalizes = true }.Attach(parameters),
        ["DoRA"] = (parameters, rank, _) => Beside(new DoRA { Rank = rank, AllowUnreached = true, TrainOthers = true }, parameters),
        ["Fira"] = (parameters, rank, refreshing) => refreshing.Of(new Fira { Rank = rank }).Attach(parameters),
        ["Flora"] = (parameters, rank, _) => new Flora { Rank = rank }.Attach(parameters),
        ["FRUGAL"] = (parameters, _, refreshing) => refreshing.Of(new Frugal()).Attach(parameters),
        ["GaLore"] = (parameters, rank, refreshing) => refreshing.Of(new GaLore { Rank = rank }).Attach(parameters),
        ["8-bit GaLore"] = (parameters, rank, refreshing) => refreshing.Of(new GaLore { Rank = rank, States = StateFormat.Blockwise8Bit }).Attach(parameters),
        ["8-bit GaLore, companded"] = (parameters, rank, refreshing) =>
            refreshing.Of(new GaLore { Rank = rank, States = StateFormat.Companded8Bit }).Attach(parameters),
        ["GaLore with Adafactor"] = (parameters, rank, refreshing) => refreshing.Of(new GaLore { Rank = rank, Inner = new AdafactorRule() }).Attach(parameters),
        ["GaLore 2"] = (parameters, rank, refreshing) => refreshing.Of(new GaLore2 { Rank = rank }).Attach(parameters),
        ["GradNormLoRP"] = (parameters, rank, refreshing) => refreshing.Of(new GradNormLoRP { Rank = rank }).Attach(parameters),
        ["GUM"] = (parameters, rank, refreshing) => new Gum { Rank = rank, RefreshEvery = refreshing.Every }.Attach(parameters),
        ["InRank"] = (parameters, rank, refreshing) =>
            Layered.Attach(new InRank { Rank = rank / 2, Buffer = rank - rank / 2, WarmupSteps = 0, CheckEvery = refreshing.Every, AllowUnreached = true },
                parameters),
        ["LDAdam"] = (parameters, rank, _) => new LDAdam { Rank = rank }.Attach(parameters),
        ["MoFaSGD"] = (parameters, rank, _) => new MoFaSgd { Rank = rank }.Attach(parameters),
        ["LoRA"] = (parameters, rank, _) => Beside(new LoRA { Rank = rank, AllowUnreached = true, TrainOthers = true }, parameters),
        [ShadowOf("LoRA")] = (parameters, rank, _) => InShadow(new LoRA { Rank = rank, Injection = Injection.Shadow, TrainOthers = true }, parameters),
        ["Muon"] = (parameters, _, _) => new Muon().Attach(parameters),
        ["8-bit Muon"] = (parameters, _, _) => new Muon { States = StateFormat.Blockwise8Bit }.Attach(parameters),
        ["Muon in bfloat16"] = (parameters, _, _) => new Muon { InBFloat16 = true }.Attach(parameters),
        ["Online Subspace Descent"] = (parameters, rank, _) => new OnlineSubspaceDescent { Rank = rank }.Attach(parameters),
        ["PRILoRA"] = (parameters, rank, _) =>
            Beside(new PriLoRA { FirstRank = rank, Rank = rank, AllowUnreached = true, TrainOthers = true }, parameters),
        ["Q-GaLore"] = (parameters, rank, refreshing) => refreshing.Of(new QGaLore { Rank = rank }).Attach(parameters),
        ["ReLoRA"] = (parameters, rank, refreshing) =>
            Beside(new ReLoRA { Rank = rank, MergeEvery = refreshing.Every, AllowUnreached = true }, parameters),
        [ShadowOf("ReLoRA")] = (parameters, rank, refreshing) =>
            InShadow(new ReLoRA { Rank = rank, MergeEvery = refreshing.Every, Injection = Injection.Shadow }, parameters),
        ["SCALE"] = (parameters, _, _) => new Scale().Attach(parameters),
        ["SinkGD"] = (parameters, _, _) => new SinkGD().Attach(parameters),
        ["SLTrain"] = (parameters, rank, _) => Beside(new SLTrain { Rank = rank, AllowUnreached = true }, parameters),
        [ShadowOf("SLTrain")] = (parameters, rank, _) => InShadow(new SLTrain { Rank = rank, Injection = Injection.Shadow }, parameters),
        ["SPAM"] = (parameters, _, _) => new Spam().Attach(parameters),
        ["Stable-SPAM"] = (parameters, _, _) => new StableSpam().Attach(parameters),
        ["SwitchLoRA"] = (parameters, rank, _) => Beside(new SwitchLoRA { Rank = rank, AllowUnreached = true }, parameters),
        ["Spectron"] = (parameters, rank, _) =>
            Layered.Attach(new Spectron { Rank = rank, StartsFromWeight = false, AllowUnreached = true }, parameters),
        ["SubTrack++"] = (parameters, rank, refreshing) => refreshing.Of(new SubTrack { Rank = rank }).Attach(parameters),
        ["SUMO"] = (parameters, rank, refreshing) => refreshing.Of(new Sumo { Rank = rank }).Attach(parameters),
        ["WeLore"] = (parameters, rank, _) =>
            Layered.Attach(new WeLore { Ratio = Layered.ReductionTo(rank, parameters), MinRatio = 0, AllowUnreached = true }, parameters),
    };

    private static readonly Dictionary<string, IBasis> Bases = new()
    {
        [ExactSvd] = new ExactSvdBasis(),
        ["Gram"] = new GramBasis(),
        ["randomized SVD"] = new RandomizedSvdBasis(),
        ["sampled"] = new SampledSvdBasis(),
        ["warm-started"] = new WarmStartedBasis(),
        ["Grassmann"] = new GrassmannBasis(),
        ["DCT"] = new DctBasis(),
        ["coordinates"] = new CoordinateBasis(),
        ["random orthonormal"] = new RandomOrthonormalBasis(),
        ["Gaussian"] = new GaussianBasis(),
    };

    /// <value>Every method, and what they are measured against.</value>
    public static IEnumerable<string> Names => Sessions.Keys.Prepend(AdamW);

    /// <value>Every basis.</value>
    public static IEnumerable<string> BasisNames => Bases.Keys;

    /// <summary>An optimizer for the matrices.</summary>
    /// <param name="method">Its name in the tables.</param>
    /// <param name="matrices">What it updates.</param>
    /// <param name="rank">Dimensions of the subspaces.</param>
    /// <param name="refreshing">When and how subspaces are found again; null for never after the first step.</param>
    public static optim.Optimizer Make(string method, Matrices matrices, int rank, Refreshing? refreshing = null) => method == AdamW
        ? optim.AdamW(matrices.Parameters, lr: 1e-3)
        : Attach(method, matrices.Parameters, rank, refreshing ?? Refreshing.Never).CreateOptimizer(lr: 1e-2);

    /// <summary>A method at work.</summary>
    public static ILowRankSession Attach(string method, IEnumerable<(string name, Parameter parameter)> parameters, int rank, Refreshing refreshing) =>
        Sessions[method](parameters, rank, refreshing);

    /// <summary>A basis, by its name in the tables.</summary>
    public static IBasis Basis(string basis) => Bases[basis];

    private static string ShadowOf(string method) => $"{method} (shadow)";

    /// <summary>Factors that stand in the graph get their gradients from a backward pass, which is not measured here.</summary>
    private static ILowRankSession Beside(ILowRankStrategy method, IEnumerable<(string name, Parameter parameter)> parameters)
    {
        var session = method.Attach(Layered.Model(parameters), Targets.AllMatrices());
        using var guard = no_grad();
        foreach (var plan in session.Parameters)
        {
            using var gradient = randn_like(plan.Parameter);
            plan.Parameter.grad = gradient.mul_(1e-3);
        }

        return session;
    }

    /// <summary>Factors beside the matrices of a model that is nothing else, in the optimizer.</summary>
    private static ILowRankSession InShadow(ILowRankStrategy method, IEnumerable<(string name, Parameter parameter)> parameters) =>
        method.Attach(nn.ParameterList([.. parameters.Select(pair => pair.parameter)]), Targets.AllMatrices());
}

/// <summary>When and how subspaces are found again.</summary>
/// <param name="Every">Steps between two refreshes of a matrix.</param>
/// <param name="Basis">How; null for the method's own way.</param>
/// <param name="Staggered">Whether each matrix has its own turn.</param>
internal sealed record Refreshing(long Every, IBasis? Basis = null, bool Staggered = false)
{
    /// <value>Only in the first step.</value>
    public static Refreshing Never { get; } = new(1_000_000_000);

    /// <summary>A method's options with these refreshes.</summary>
    public TOptions Of<TOptions>(TOptions options) where TOptions : GradientSpaceMethod =>
        options with { RefreshEvery = Every, Staggered = Staggered, Basis = Basis ?? options.Basis };
}
