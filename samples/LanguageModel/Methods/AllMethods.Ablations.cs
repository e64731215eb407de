using LowRankTraining.Parts;
using LowRankTraining.Strategies;

namespace LanguageModel.Methods;

/// <content>Methods without one of their parts, or with other numbers, to measure what that is worth.</content>
public static partial class AllMethods
{
    /// <value>AdamW with other numbers than its own; Balanced without short states, without moments that follow the subspace, without the spike clip, and with
    /// all refreshes in the same step; GaLore whose subspaces are found in the step before, or drawn by singular values; Fira and GaLore with short states of
    /// either code, and Muon with a short momentum; Dion whose right factor is orthonormal; ReLoRA
    /// whose restarts decompose the weight.</value>
    public static IReadOnlyList<Method> Ablations =>
    [
        AdamW("adamw-beta2-0.95", "AdamW, β₂ 0.95", beta2: 0.95),
        AdamW("adamw-beta2-0.99", "AdamW, β₂ 0.99", beta2: 0.99),
        AdamW("adamw-decay-0.1", "AdamW, weight decay 0.1", weightDecay: 0.1),
        AdamW("adamw-beta2-0.95-decay-0.1", "AdamW, β₂ 0.95, weight decay 0.1", beta2: 0.95, weightDecay: 0.1),
        BalancedWith("float32", "Balanced, float32 states", new() { States = StateFormat.Float32, BasisFormat = StateFormat.Float32 }),
        BalancedWith("kept-moments", "Balanced, moments kept as they are", new() { OnRefresh = MomentCarryOver.Keep }),
        BalancedWith("unclipped", "Balanced, no spike clip", new() { Guard = null }),
        BalancedWith("in-phase", "Balanced, refreshes not staggered", new() { Staggered = false }),
        Projecting("galore-ahead", "GaLore, subspaces found a step ahead", 1e-2, new GaLore { Basis = new WarmStartedBasis { Ahead = true } }),
        Projecting("galore-sampled", "GaLore, sampled singular vectors", 1e-2,
            new GaLore { Basis = new SampledSvdBasis(), OnRefresh = MomentCarryOver.Rotate }),
        Projecting("fira-8bit", "8-bit Fira", 1e-2, new Fira { States = StateFormat.Blockwise8Bit }),
        Projecting("fira-companded", "8-bit Fira, companded", 1e-2, new Fira { States = StateFormat.Companded8Bit }),
        Projecting("galore-companded", "8-bit GaLore, companded", 1e-2, new GaLore { States = StateFormat.Companded8Bit }),
        new("muon-8bit", "8-bit Muon", 8e-3, (model, settings) => Muon(model, settings, StateFormat.Blockwise8Bit)),
        new("relora-svd", "ReLoRA, restarts by SVD", 2e-3, DecomposingReLoRA),
        new("dion-orthonormal", "Orth-Dion", 2e-2, (model, settings) => Dion(model, settings, orthonormalizes: true)),
    ];

    private static Method BalancedWith(string variant, string title, Balanced method) => Projecting($"balanced-{variant}", title, 1e-2, method);
}
