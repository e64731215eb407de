using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Rules;

/// <summary>A rule whose learning rate is relative to the size of the weight, or to the step: update and weight decay are multiplied by the same factor.</summary>
public interface IRelativeRate
{
    /// <summary>The factor of the next step, or null where it is 1.</summary>
    /// <param name="weight">W before the step, in computing precision.</param>
    /// <param name="state">The parameter's memory; not changed.</param>
    /// <returns>A scalar on the weight's device: nothing is read back to the host.</returns>
    Tensor? RelativeRate(Tensor weight, StateBag state);
}
