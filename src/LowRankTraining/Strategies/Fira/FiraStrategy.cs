using LowRankTraining.Rules;
using LowRankTraining.Subspace;

namespace LowRankTraining.Strategies;

/// <summary>Fira: GaLore, plus the part of the gradient outside the subspace, scaled as Adam scales the part inside. Full-rank training at low-rank memory.</summary>
/// <remarks>
/// <para>With P, R and N as in <see cref="GaLoreStrategy"/>: S = (G − P R) diag(‖Nⱼ‖ / ‖Rⱼ‖), its norm kept from growing more than 1 % a step; W ← W − η (α P N + κ S).</para>
/// <para>State of a matrix with short side s and long side l: r (s + 2 l) + 1 numbers.</para>
/// <para>Differences from the paper: none by default. The authors' code subtracts α P R where the paper has P R, and remembers a zero norm: see <see cref="Compatibility.ReferenceCode"/>.</para>
/// <para>Source: Chen et al., Fira, arXiv 2410.01623.</para>
/// </remarks>
public sealed class FiraStrategy : GradientSpaceStrategy<FiraOptions>
{
    /// <summary>Defines the method.</summary>
    /// <param name="options">The defaults when null.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public FiraStrategy(FiraOptions? options = null) : base("fira", new FiraOptionsValidator().Require(options ?? new())) { }

    private protected override UpdateRule Projected => Recipe(Options);

    private protected override UpdateRule Full(FiraOptions options) => Inner(options);

    internal static SubspaceRule Recipe(FiraOptions options) => options.Project(Inner(options), Lift(options), options.Side);

    private static DirectionRule Inner(FiraOptions options) => options.Inner == FiraInner.AdamW
        ? options.Adam
        : new RmsPropRule { Beta = options.RmsDecay, Epsilon = options.Epsilon, Momentum = options.Momentum, Centered = options.Centered, States = options.States };

    private static ScaledResidual Lift(FiraOptions options) => new()
    {
        Scale = options.Scale,
        ResidualScale = options.ResidualScale,
        Compatibility = options.Compatibility,
        Limiter = new NormGrowthLimiter { MaxGrowth = options.MaxGrowth, Floor = options.LimiterFloor, Compatibility = options.Compatibility },
    };
}
