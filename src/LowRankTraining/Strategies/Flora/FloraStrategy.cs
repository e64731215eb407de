using LowRankTraining.Rules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Strategies;

/// <summary>Flora: Adafactor with momentum in a random sketch, which is never stored: only drawn again.</summary>
/// <remarks>
/// <para>See <see cref="FloraRule"/> for the equations. Everything that is not a target (vectors, embeddings, the output head) is trained by plain Adafactor with the same momentum.</para>
/// <para>State of a matrix with short side s and long side l: r l + s + l numbers.</para>
/// <para>Differences from the authors' code: momentum is on by default (there it is off, and then nothing is sketched), long matrices are sketched too.</para>
/// <para>Source: Hao, Cao and Mou, Flora: Low-Rank Adapters Are Secretly Gradient Compressors, arXiv 2402.03293.</para>
/// </remarks>
public sealed class FloraStrategy : ILowRankStrategy
{
    private readonly FloraOptions _options;

    /// <summary>Defines the method.</summary>
    /// <param name="options">The defaults when null.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public FloraStrategy(FloraOptions? options = null) => _options = new FloraOptionsValidator().Require(options ?? new());

    /// <inheritdoc/>
    public string Name => "flora";

    /// <inheritdoc/>
    public ILowRankSession Attach(nn.Module model, Targets? targets = null) => Plan(NamedParameter.Of(model), targets);

    /// <summary>Puts the method to work on a list of parameters. Without modules to look at, embeddings and heads are known by name only.</summary>
    public ILowRankSession Attach(IEnumerable<(string name, Parameter parameter)> named_parameters, Targets? targets = null) =>
        Plan(NamedParameter.From(named_parameters), targets);

    private GradientSpaceSession Plan(IReadOnlyList<NamedParameter> parameters, Targets? targets) => GradientSpaceSession.Plan(
        Name, _options, parameters, targets ?? GradientSpaceSession.DefaultTargets, _ => _options.Rule, _options.Rule.Adafactor, DecayTiming.BeforeUpdate);
}
