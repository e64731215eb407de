using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Rules;

/// <summary>Turns a gradient into an update of one parameter.</summary>
public interface IUpdateRule : IPart
{
    /// <value>β₁ and β₂, where the rule lets a schedule set them by <see cref="StepContext.Beta1"/> and <see cref="StepContext.Beta2"/>; else null.</value>
    (double Beta1, double Beta2)? Betas => null;

    /// <summary>accumulator += scale · update(gradient).</summary>
    /// <param name="gradient">The loss gradient, in the parameter's shape.</param>
    /// <param name="accumulator">The weight itself, or a float32 copy of a half-precision weight. Only ever added to, never read: the few rules whose update depends on the weight look at <see cref="StepContext.Weight"/>.</param>
    /// <param name="scale">Minus the learning rate. Decay is applied outside.</param>
    /// <param name="state">The parameter's memory; whatever the rule remembers is in it.</param>
    /// <param name="step">The step, and the judge of the gradient: see <see cref="StepContext.Accepts"/>.</param>
    void AddUpdate(Tensor gradient, Tensor accumulator, double scale, StateBag state, in StepContext step);
}
