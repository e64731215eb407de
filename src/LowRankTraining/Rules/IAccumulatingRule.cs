using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Rules;

/// <summary>A rule that can add up the gradients of several micro-batches in a smaller space than the parameter's.</summary>
public interface IAccumulatingRule : IUpdateRule
{
    /// <summary>Adds a gradient to what has been accumulated for the next update.</summary>
    /// <returns>Whether it has; otherwise the whole gradient is still needed, and nothing was changed.</returns>
    bool TryAccumulate(Tensor gradient, StateBag state, in StepContext step);

    /// <summary>All that the next update would use of a gradient that is not accumulated yet: what accumulating it would add; or null where that is the
    /// whole gradient. Nothing is changed.</summary>
    Tensor? WhatCounts(Tensor gradient, StateBag state, in StepContext step) => null;

    /// <summary>What waits for the next update, or null.</summary>
    Tensor? AccumulatedIn(StateBag state);

    /// <summary>Forgets what has been accumulated.</summary>
    void DropAccumulated(StateBag state);
}
