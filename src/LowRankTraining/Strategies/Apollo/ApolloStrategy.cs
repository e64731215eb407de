using LowRankTraining.Rules;
using LowRankTraining.Subspace;

namespace LowRankTraining.Strategies;

/// <summary>APOLLO: SGD whose step size for each row or column is what Adam would take, measured in a random projection. Adam's results at nearly SGD's memory.</summary>
/// <remarks>
/// <para>For G of m × n, m ≤ n, with P of m × r drawn from N(0, 1/r) every T steps: R = PᵀG; N = Adam(R); φⱼ = ‖Nⱼ‖ / ‖Rⱼ‖; W ← W − η √a G diag(φ), its norm kept from growing more than 1 % a step.
/// Mini: r = 1 and a single φ. For m &gt; n from the right.</para>
/// <para>State of a matrix with long side l: 2 r l + 1 numbers. P is drawn again at every use, from its key, and never stored.</para>
/// <para>Differences from the paper: none by default. The authors' code stores P, and its limiter remembers a zero norm and looks at norms before bias correction: see <see cref="Compatibility.ReferenceCode"/>.</para>
/// <para>Source: Zhu et al., APOLLO, arXiv 2412.05270.</para>
/// </remarks>
public sealed class ApolloStrategy : GradientSpaceStrategy<ApolloOptions>
{
    /// <summary>Defines the method.</summary>
    /// <param name="options">The defaults when null; <see cref="ApolloOptions.Mini"/> for APOLLO-Mini.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public ApolloStrategy(ApolloOptions? options = null) : base("apollo", new ApolloOptionsValidator().Require(options ?? new())) { }

    private protected override UpdateRule Projected => Recipe(Options);

    internal static SubspaceRule Recipe(ApolloOptions options) => options.Project(options.Adam, Lift(options), ProjectionSide.Short);

    private static ScaledGradient Lift(ApolloOptions options) => new()
    {
        Scale = options.Scale,
        Scaling = options.Scaling,
        ScaleBeforeLimiter = options.ScaleBeforeLimiter,
        Compatibility = options.Compatibility,
        Limiter = options.LimitsGrowth ? new NormGrowthLimiter { MaxGrowth = options.MaxGrowth, Compatibility = options.Compatibility } : null,
    };
}
