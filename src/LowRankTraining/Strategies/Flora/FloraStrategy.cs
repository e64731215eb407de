using LowRankTraining.Rules;

namespace LowRankTraining.Strategies;

/// <summary>Flora: Adafactor with momentum in a random sketch, which is never stored: only drawn again.</summary>
/// <remarks>
/// <para>See <see cref="FloraRule"/> for the equations. Everything that is not a target (vectors, embeddings, the output head) is trained by plain Adafactor with the same momentum.</para>
/// <para>State of a matrix with short side s and long side l: r l + s + l numbers.</para>
/// <para>Differences from the authors' code: momentum is on by default (there it is off, and then nothing is sketched), long matrices are sketched too.</para>
/// <para>Source: Hao, Cao and Mou, Flora: Low-Rank Adapters Are Secretly Gradient Compressors, arXiv 2402.03293.</para>
/// </remarks>
public sealed class FloraStrategy : UpdateStrategy<FloraOptions>
{
    /// <summary>Defines the method.</summary>
    /// <param name="options">The defaults when null.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public FloraStrategy(FloraOptions? options = null) : base("flora", new FloraOptionsValidator().Require(options ?? new())) { }

    private protected override GradientSpaceSession Plan(IReadOnlyList<NamedParameter> parameters, Targets? targets) =>
        GradientSpaceSession.Plan(Name, Options, parameters, targets ?? GradientSpaceSession.DefaultTargets, _ => Options.Rule, Options.Rule.Adafactor);
}
