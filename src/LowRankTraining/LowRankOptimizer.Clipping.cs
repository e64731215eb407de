using LowRankTraining.Parts;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining;

public sealed partial class LowRankOptimizer
{
    private readonly GradientTraces _traces = new();

    /// <summary>Scales everything that waits for the next step, gradients and what <see cref="accumulate"/> has taken, so that its norm is at most <paramref
    /// name="max_norm"/>.</summary>
    /// <remarks>
    /// <para>‖·‖² = Σ‖R‖² + Σ‖G‖²: R = PᵀG, all that will be used of the gradient, for matrices whose rule accumulates in the subspace, taken already or not;
    /// the whole gradient G of everything else. Where a new subspace is due it is found here, before the step, so that R is that of the step. So the number
    /// does not depend on how a batch was divided and accumulated, in one process or in several, but for rounding. <c>torch.nn.utils.clip_grad_norm_</c> sees
    /// only what has not been accumulated, and all of that.</para>
    /// <para>Everything is multiplied by min(1, <paramref name="max_norm"/> / (‖·‖ + 1e-6)), as there. Where the norm is not finite the step cannot be taken
    /// by any parameter: all that waits is made NaN, which changes nothing and is counted.</para>
    /// <para>Frozen parameters do not count.</para>
    /// </remarks>
    /// <param name="max_norm">Largest norm, above 0; infinity only measures.</param>
    /// <returns>The norm before.</returns>
    /// <exception cref="ArgumentOutOfRangeException">Zero, negative or NaN. Nothing was changed.</exception>
    /// <exception cref="InvalidOperationException">The model was moved or disposed after the optimizer was made; or gradients were scaled after <see
    /// cref="accumulate"/>. Nothing was changed.</exception>
    /// <exception cref="NotSupportedException">Weights are updated in the backward pass: see <see cref="ClipByLastNorm"/>. Nothing was changed.</exception>
    public double clip_grad_norm_(double max_norm)
    {
        if (!(max_norm > 0))
            throw new ArgumentOutOfRangeException(nameof(max_norm), max_norm, $"{nameof(max_norm)} must be a number above 0.");
        RequireLiveParameters();
        RequireGradientsHeld(nameof(clip_grad_norm_), $"Set {nameof(ClipByLastNorm)}, or attach with another flow.");
        RequireUnscaled();

        using var guard = no_grad();
        ReduceGradients();
        var norm = Math.Sqrt(SquaredNorms().Sum());
        var factor = double.IsFinite(norm) ? Math.Min(1, max_norm / (norm + 1e-6)) : double.NaN;
        if (factor == 1)
            return norm;

        _traces.Clear();
        foreach (var entry in _entries.Where(entry => entry.Parameter.requires_grad))
            Scale(entry, factor);
        return norm;
    }

    /// <summary>Where a subspace is due, finds it first, so that what it holds of the gradient is known.</summary>
    private double SquaredNormOf(ParameterState entry)
    {
        if (!entry.Parameter.requires_grad)
            return 0;

        using var scope = NewDisposeScope();
        var accumulated = AccumulatedIn(entry);
        if (DenseGradient(entry) is not { } gradient)
            return accumulated is null ? 0 : Square(GradientCheck.NormOf(accumulated));

        var lowRank = entry.Plan.Rule.WhatCounts(Ready(gradient), entry.Bag, ContextFor(entry));
        if (lowRank is not null)
            return Square(GradientCheck.NormOf(accumulated is null ? lowRank : lowRank + accumulated));
        if (entry.Plan.Rule.TryTakeWhole(Ready(gradient), entry.Bag, ContextFor(entry)))
        {
            entry.Parameter.grad = null;
            return Square(GradientCheck.NormOf(AccumulatedIn(entry)!));
        }

        return Square(GradientCheck.NormOf(gradient) / _divisor) + (accumulated is null ? 0 : Square(GradientCheck.NormOf(accumulated)));
    }

    /// <summary>Refuses a step whose gradients were scaled while others, accumulated already, were not.</summary>
    private void RequireUnscaled()
    {
        // A gradient that came since tells of another backward pass, which has changed the others as well.
        if (_traces.IsEmpty || _entries.Any(entry => AccumulatedIn(entry) is not null && HasGradient(entry)))
            return;

        if (_traces.Scaling is { } factor)
            throw new InvalidOperationException(FormattableString.Invariant(
                $"The gradients were multiplied by {factor:0.####} after accumulate(), as torch.nn.utils.clip_grad_norm_ does, ")
                + "and what has been accumulated was not: it sees no gradient of it. Call optimizer.clip_grad_norm_(max_norm), which sees both, "
                + "and scale the loss rather than gradients. Nothing was changed; zero_grad() drops the window.");
    }

    private static bool HasGradient(ParameterState entry)
    {
        using var gradient = entry.Parameter.grad;
        return gradient is not null;
    }

    private static double Square(double norm) => norm * norm;
}
