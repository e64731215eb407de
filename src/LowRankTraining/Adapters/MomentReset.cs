using LowRankTraining.Numerics;
using LowRankTraining.Rules;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Adapters;

/// <summary>Forgets most of an Adam state, as ReLoRA does at a restart.</summary>
/// <remarks>Both moments lose the same entries. With separate masks an entry could keep its first moment and lose the second, and its next step would be that moment over ε.</remarks>
internal sealed record MomentReset(OptimizerReset Mode, double Ratio, bool RestartClock)
{
    /// <value>Nothing is remembered.</value>
    public static MomentReset All { get; } = new(OptimizerReset.Zero, Ratio: 1, RestartClock: true);

    /// <summary>Applies the reset to one bag. The parts cut a moment into what is pruned apart, each with the seed of its random mask.</summary>
    /// <returns>Entries of the first moment that are zero afterwards, and all of them.</returns>
    public (long Zeroed, long Total) Apply(StateBag state, AdamRule adam, IReadOnlyList<(Func<Tensor, Tensor> Of, ulong Key)> parts)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();

        var moments = adam.Moments.OrderBy(slot => slot.Order).Where(slot => state.Tensors.ContainsKey(slot.Name)).Select(slot => state[slot.Name]).ToArray();
        if (moments.Length == 0)
            return (0, 0);

        var total = moments[0].numel();
        if (Mode == OptimizerReset.Zero)
        {
            Forget(state, adam);
            return (total, total);
        }

        foreach (var (part, key) in parts)
        {
            var survivors = Survivors(part(moments[0]), key);
            foreach (var moment in moments)
                part(moment).mul_(survivors);
        }

        if (RestartClock)
            state.SetCounter(AdamRule.Clock, 0);
        return (total - moments[0].count_nonzero().ToInt64(), total);
    }

    /// <summary>Forgets everything, for factors of another shape.</summary>
    public void Forget(StateBag state, AdamRule adam)
    {
        var steps = state.Counter(AdamRule.Clock);
        adam.Reset(state);
        if (!RestartClock)
            state.SetCounter(AdamRule.Clock, steps);
    }

    private Tensor Survivors(Tensor moment, ulong key)
    {
        if (Mode == OptimizerReset.MagnitudePruning)
            return MomentPruning.MagnitudeMask(moment, Ratio);

        using var generator = new Generator(key, moment.device);
        return MomentPruning.RandomMask(moment, Ratio, generator);
    }
}
