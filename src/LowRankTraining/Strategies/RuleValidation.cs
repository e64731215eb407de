using LowRankTraining.Rules;

namespace LowRankTraining.Strategies;

/// <summary>What holds of the rules that are options of methods.</summary>
internal static class RuleValidation
{
    public static OptionsRules Obey(this OptionsRules rules, AdafactorRule rule) => rules
        .Fraction(rule.Beta1, "Adafactor.Beta1")
        .Require(rule.DecayRate < 0 && double.IsFinite(rule.DecayRate), FormattableString.Invariant($"Adafactor.DecayRate is {rule.DecayRate}: it must be below 0."))
        .Above(0, rule.ClipThreshold, "Adafactor.ClipThreshold")
        .Above(0, rule.Epsilon1, "Adafactor.Epsilon1")
        .Above(0, rule.Epsilon2, "Adafactor.Epsilon2")
        .Require(rule.RelativeStep || !rule.WarmupInit, "Adafactor.WarmupInit is set without RelativeStep: it is the start of a relative step. Set both, or use a learning-rate schedule.");

    public static OptionsRules Obey(this OptionsRules rules, SgdRule rule) => rules
        .Fraction(rule.Momentum, "Sgd.Momentum")
        .Require(rule.Momentum > 0 || !rule.Nesterov, "Sgd.Nesterov is set without Momentum: it needs some.");

    /// <summary>A format that moments can be kept in.</summary>
    public static OptionsRules StoresMomentsIn(this OptionsRules rules, StateFormat states, string option = nameof(AdamOptions.States)) => rules
        .Require(states is not null, $"{option} is null: use {nameof(StateFormat)}.{nameof(StateFormat.Float32)} or another format.")
        .Require(states is not AffineFormat,
            $"{option} is {nameof(StateFormat.Affine4Bit)}, which is for bases: moments that it rounds to zero would make steps of any size. " +
            $"Use {nameof(StateFormat.Blockwise4Bit)}.");

    public static OptionsRules Obey(this OptionsRules rules, LionRule rule) => rules
        .Fraction(rule.Beta1, "Lion.Beta1")
        .Fraction(rule.Beta2, "Lion.Beta2");
}
