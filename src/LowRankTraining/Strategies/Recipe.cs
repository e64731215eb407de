using System.Text.RegularExpressions;
using LowRankTraining.Rules;
using LowRankTraining.Subspace;
using Microsoft.Extensions.Options;
using static TorchSharp.torch;

namespace LowRankTraining.Strategies;

/// <summary>A method of your own, put together from rules.</summary>
public static partial class Recipe
{
    /// <summary>A strategy that leaves the model as it is: one rule for its matrices, another for everything else.</summary>
    /// <param name="name">Lower-case letters, digits, dots and dashes: "contoso.warm-sign". A checkpoint loads only into a method of the same name.</param>
    /// <param name="matrices">The rule of the targets (by default all matrices but embeddings and the output head): most often a <see cref="SubspaceRule"/>.</param>
    /// <param name="others">The rule of everything else; Adam when null.</param>
    /// <param name="seed">Seed of whatever is drawn at random: bases, stochastic rounding.</param>
    /// <exception cref="OptionsValidationException">The parts contradict each other or are out of range, all of it listed.</exception>
    /// <exception cref="ArgumentException">The name has other characters.</exception>
    public static ILowRankStrategy Of(string name, UpdateRule matrices, UpdateRule? others = null, ulong seed = 0)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(matrices);
        if (!Name().IsMatch(name))
            throw new ArgumentException($"'{name}' cannot name a method: use lower-case letters, digits, dots and dashes, such as \"contoso.warm-sign\".", nameof(name));

        var check = matrices switch
        {
            SubspaceRule rule => new OptionsRules().Obey(rule).Fits(rule, accumulates: false).Result,
            TuckerRule rule => new OptionsRules().AtLeast(1, rule.Rank, nameof(TuckerRule.Rank)).Above(0, rule.Scale, nameof(TuckerRule.Scale)).Obey(rule.Refresh).Obey(rule.Basis).Result,
            _ => ValidateOptionsResult.Success,
        };
        return check.Failed
            ? throw new OptionsValidationException(name, matrices.GetType(), check.Failures)
            : new OwnStrategy(name, matrices, others ?? new AdamRule(), new OwnOptions { Seed = seed });
    }

    [GeneratedRegex("^[a-z0-9.-]+$")]
    private static partial Regex Name();

    private sealed record OwnOptions : UpdateOptions;

    private sealed class OwnStrategy(string name, UpdateRule matrices, UpdateRule others, OwnOptions options) : UpdateStrategy<OwnOptions>(name, options)
    {
        private protected override GradientSpaceSession Plan(IReadOnlyList<NamedParameter> parameters, Targets? targets) =>
            GradientSpaceSession.Plan(Name, Options, parameters, targets ?? GradientSpaceSession.DefaultTargets, _ => matrices, others);
    }
}
