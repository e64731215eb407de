using LanguageModel.Model;
using LowRankTraining;
using LowRankTraining.Mixing;

namespace LanguageModel.Methods;

/// <summary>The ways to mix sources of data, by name.</summary>
public static class Mixers
{
    /// <summary>By gradient alignment.</summary>
    public const string Alignment = "alignment";

    /// <summary>From all alike.</summary>
    public const string Uniform = "uniform";

    /// <value>All names.</value>
    public static IReadOnlyList<string> Names { get; } = [Alignment, Uniform];

    /// <summary>Makes the mixer called <paramref name="name"/> for a method at work on a model.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <param name="sources">Names of the sources.</param>
    /// <param name="target">The source whose loss is to fall; null for all. Alignment only.</param>
    /// <param name="model">The model.</param>
    /// <param name="method">The method at work on it.</param>
    /// <param name="seed">Of the draws.</param>
    /// <param name="world">The processes that train together; null for this one alone.</param>
    /// <exception cref="UserException">There is none of that name.</exception>
    public static DataMixer Create(
        string name, IReadOnlyList<string> sources, string? target, Llama model, AttachedMethod method, long seed, ICollective? world = null) => name switch
    {
        Alignment => new GradientAlignmentMixer(sources, View(model, method), new() { Targets = target is null ? [] : [target], Seed = (ulong)seed }, world),
        Uniform => new FixedMixer(sources, seed: (ulong)seed),
        _ => throw new UserException($"There is no way to mix called '{name}'. There are {string.Join(", ", Names)}."),
    };

    private static GradientView View(Llama model, AttachedMethod method) => method.Optimizer is LowRankOptimizer lowRank
        ? GradientView.For(lowRank.Session)
        : GradientView.Sketch(model.parameters().Where(parameter => parameter.requires_grad));
}
