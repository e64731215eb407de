using System.Text.Json.Serialization;
using LowRankTraining.Text;

namespace LowRankTraining;

/// <summary>A published training method: what to do to a model, and how each of its parameters is updated.</summary>
/// <remarks>A strategy is a definition: stateless, shareable between models and threads. What it does to one model lives in the session that
/// <see cref="Attach(torch.nn.Module, Targets?)"/> returns.</remarks>
[JsonConverter(typeof(TextConverter<ILowRankStrategy>))]
public interface ILowRankStrategy
{
    /// <value>Short lower-case name, stored in checkpoints: "galore", "relora", "contoso.random-sign".</value>
    string Name { get; }

    /// <value>Where the method reports to; null for nowhere. Default null.</value>
    ILogger? Logger => null;

    /// <value>Whether attaching reads the values of weights; else a model without any is enough for a plan. Default true.</value>
    internal bool ReadsWeights => true;

    /// <summary>The same method, reporting to another logger. Default: itself, of a method that reports nothing.</summary>
    /// <param name="logger">The logger; null for none.</param>
    ILowRankStrategy WithLogger(ILogger? logger) => this;

    /// <summary>Puts the method to work on <paramref name="model"/>. May re-parameterize it, but does not change the function that it computes, except for a
    /// method that starts from scratch and says so.</summary>
    /// <param name="model">The model. It may be moved to another device or dtype later, as long as the optimizer is
    /// made after that: moving makes new parameters.</param>
    /// <param name="targets">The matrices that the method is for; the method's own choice when null.</param>
    /// <exception cref="ArgumentException">No matrix is matched by <paramref name="targets"/>. The model is as it was.</exception>
    ILowRankSession Attach(torch.nn.Module model, Targets? targets);

    /// <summary>How a parameter is updated that is added to an optimizer after the method was attached. Default: by Adam.</summary>
    /// <param name="name">Its name, unique in the optimizer.</param>
    /// <param name="parameter">The parameter.</param>
    /// <param name="isTarget">Whether the method is for it, if it is a matrix; else it is updated as everything that the method is not for.</param>
    /// <exception cref="NotSupportedException">The method cannot do it without the model.</exception>
    ParameterPlan PlanAdded(string name, Parameter parameter, bool isTarget) => new(name, parameter, new AdamRule());

    /// <summary>Puts the method to work on <paramref name="model"/>, and says what becomes of gradients in the backward pass. Default: a method takes whole
    /// gradients only.</summary>
    /// <param name="model">The model.</param>
    /// <param name="targets">The matrices that the method is for; the method's own choice when null, the default.</param>
    /// <param name="gradients">What becomes of gradients. Default: they are held whole.</param>
    /// <exception cref="ArgumentException">No matrix is matched by <paramref name="targets"/>. The model is as it was.</exception>
    /// <exception cref="NotSupportedException">The method cannot take gradients this way. The model is as it was.</exception>
    ILowRankSession Attach(torch.nn.Module model, Targets? targets = null, GradientFlow gradients = GradientFlow.Whole) => gradients == GradientFlow.Whole
        ? Attach(model, targets)
        : throw new NotSupportedException($"'{Name}' takes gradients by {nameof(GradientFlow)}.{GradientFlow.Whole} only, and not by {gradients}.");
}
