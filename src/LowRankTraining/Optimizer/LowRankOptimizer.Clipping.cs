namespace LowRankTraining;

public sealed partial class LowRankOptimizer
{
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
        Window.RequireUnscaled();

        Instruments.Enter(Session.Strategy);
        using var guard = no_grad();
        _replicas?.Reduce();
        var norm = Math.Sqrt(SquaredNorms().Sum());
        var factor = double.IsFinite(norm) ? Math.Min(1, max_norm / (norm + 1e-6)) : double.NaN;
        if (factor == 1)
            return norm;

        Window.DropTraces();
        foreach (var entry in _entries.Where(entry => entry.Parameter.requires_grad))
            entry.Scale(factor);
        return norm;
    }

    /// <summary>Squared norms of what each parameter's update will use: of divided ones their owners know them.</summary>
    private double[] SquaredNorms()
    {
        double[] squares = [.. _entries.Select(Window.SquaredNormOf)];
        if (_replicas is { Owned.Any: true })
            _replicas.Owned.Share(squares);
        return squares;
    }
}
