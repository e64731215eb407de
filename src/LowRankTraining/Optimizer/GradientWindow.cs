namespace LowRankTraining;

/// <summary>The gradients of one step, from one or several micro-batches, until the step has taken them.</summary>
internal sealed class GradientWindow(IReadOnlyList<ParameterState> entries) : IDisposable
{
    private const int TracedBesideProducts = 3;

    private GradientTraces? _traces;
    private bool _isBegun, _isFollowed;

    // Gradients that backward passes have taken since the last step, and before it.
    private int _followed, _followedBefore;

    private double _squaredNorm;

    /// <value>Whether gradients wait for a step that the program may come to in another process: it has accumulated some, or the backward pass has.</value>
    public bool IsOpen => _isBegun || entries.Any(entry => entry.Accumulated is not null);

    /// <value>What gradients are divided by when they are used, in computing precision.</value>
    public double Divisor { get; private set; } = 1;

    /// <value>The norm of all gradients of the last step, unclipped; null where nobody has asked for it.</value>
    public double? LastNorm { get; set; }

    /// <value>Whether the gradients that wait have been divided since the last step.</value>
    public bool IsDivided { get; private set; }

    /// <summary>A micro-batch of several has been taken.</summary>
    public void Begin() => _isBegun = true;

    /// <summary>A backward pass has had a gradient, and projected or used it. Where that was the last one of a step, as it was in the step before, keeps a
    /// little of the gradients beside it, which are those of layers above.</summary>
    public void Follow()
    {
        DropTraces();
        _isFollowed = ++_followed != _followedBefore;

        // One gradient alone may be scaled on purpose.
        if (!_isFollowed && entries.Reverse().Where(entry => entry.HasGradient).Take(TracedBesideProducts).ToArray() is { Length: > 1 } beside)
            Trace(beside);
    }

    /// <summary>A gradient as rules take it: in computing precision, row by row. That of a weight in another layout has that layout.</summary>
    public Tensor Ready(Tensor gradient)
    {
        var ready = gradient.Widened().Packed();
        return Divisor == 1 ? ready : ready.div(Divisor);
    }

    /// <summary>What of the gradient of this step has not been accumulated; null where there is nothing, or where one from before it was frozen is
    /// left.</summary>
    public Tensor? GradientOf(ParameterState entry) => entry.DenseGradient() switch
    {
        null => null,
        var gradient when Divisor == 1 && entry.Plan.Rule.WidensGradients => gradient.Packed(),
        var gradient => Ready(gradient),
    };

    /// <summary>On a GPU, one read for all gradients instead of one each; on the CPU a read costs nothing, and each rule judges by the smallest tensor that it
    /// has.</summary>
    public void JudgeOnDevice()
    {
        foreach (var entry in entries)
            entry.Verdict = null;
        if (!entries.Any(entry => entry.IsOnDevice))
            return;

        using var scope = NewDisposeScope();
        var gradients = entries.Where(entry => entry.IsOnDevice && entry.Parameter.requires_grad)
            .Select(entry => (Entry: entry, Gradient: entry.DenseGradient() ?? entry.Accumulated))
            .Where(pair => pair.Gradient is not null).ToArray();
        if (gradients.Length == 0)
            return;

        foreach (var ((entry, _), verdict) in gradients.Zip(GradientCheck.JudgeAll([.. gradients.Select(pair => pair.Gradient!)])))
            entry.Verdict = verdict;
    }

    /// <summary>Takes gradients into the subspace where that is possible, and frees them.</summary>
    /// <returns>How many.</returns>
    public int TakeIn()
    {
        DropTraces();
        var taken = 0;
        foreach (var entry in entries)
        {
            using var gradient = entry.Parameter.requires_grad ? entry.DenseGradient() : null;
            if (gradient is null)
                continue;

            using var scope = NewDisposeScope();
            if (!entry.TryAccumulate(Ready(gradient)))
                continue;

            entry.Parameter.grad = null;
            entry.Overlap.Change();
            taken++;
        }

        return taken;
    }

    /// <summary>Keeps a little of the gradients that go on adding up beside what has been accumulated.</summary>
    public void Trace() => Trace(entries.Any(entry => entry.Accumulated is not null) ? entries : []);

    /// <summary>All gradients are changed alike now.</summary>
    public void DropTraces()
    {
        _traces?.Dispose();
        (_traces, _isFollowed) = (null, false);
    }

    /// <exception cref="InvalidOperationException">Gradients were scaled while others, accumulated already, were not.</exception>
    public void RequireUnscaled()
    {
        // A gradient that came since tells of another backward pass, which has changed the others as well.
        if (_traces is not { IsEmpty: false } || _isFollowed || entries.Any(entry => entry.Accumulated is not null && entry.HasGradient))
            return;

        if (_traces.Scaling is { } factor)
            throw new InvalidOperationException(FormattableString.Invariant(
                $"The gradients were multiplied by {factor:0.####} after the backward pass or accumulate(), as torch.nn.utils.clip_grad_norm_ does, ")
                + (entries.Any(entry => entry.IsUpdated)
                    ? "and weights that the backward pass has updated had theirs before. Set optimizer.ClipByLastNorm, which clips those too, "
                    : "and what has been projected by then was not: it sees no gradient of it. Call optimizer.clip_grad_norm_(max_norm), for both, ")
                + "and scale the loss rather than gradients. Nothing was changed; zero_grad() drops the window.");
    }

    /// <summary>Divides what has been taken now, and gradients when they are used.</summary>
    public void Divide(double divisor, bool isAllTaken)
    {
        foreach (var entry in entries)
        {
            foreach (var taken in entry.Taken)
                taken?.mul_(1 / divisor);
            entry.Overlap.Change();
        }

        (Divisor, IsDivided) = (isAllTaken ? 1 : divisor, true);
    }

    /// <summary>Squared norm of what a parameter's update will use. Where a subspace is due, finds it first, so that what it holds of the gradient is
    /// known.</summary>
    public double SquaredNormOf(ParameterState entry)
    {
        if (!entry.Parameter.requires_grad)
            return 0;

        using var scope = NewDisposeScope();
        var accumulated = entry.Accumulated;
        if (entry.DenseGradient() is not { } gradient)
            return SquaredNorm(accumulated);

        var (rule, bag) = (entry.Plan.Rule, entry.Bag);
        if (rule.ProjectionOf(Ready(gradient), bag, entry.Context) is { } lowRank)
            return SquaredNorm(accumulated is null ? lowRank : lowRank.add(accumulated));
        if (rule.TryTakeWhole(Ready(gradient), bag, entry.Context))
        {
            entry.Parameter.grad = null;
            return SquaredNorm(entry.Accumulated);
        }

        return Square(GradientCheck.NormOf(gradient) / Divisor) + SquaredNorm(accumulated);
    }

    /// <summary>Measures what waits for a parameter's update, and clips it by the norm of the last step; nothing where no largest norm is given.</summary>
    public void ClipByLast(ParameterState entry, double? largest)
    {
        if (largest is null)
            return;

        var square = SquaredNormOf(entry);
        if (double.IsFinite(square))
            _squaredNorm += square;
        var factor = Math.Min(1, largest.Value / ((LastNorm ?? 0) + 1e-6));
        if (factor < 1)
            entry.Scale(factor);
    }

    /// <summary>Keeps the norm of the step that ends for the next one, where gradients are clipped by it.</summary>
    public void KeepNorm(double? largest) => (LastNorm, _squaredNorm) = (largest is null ? null : Math.Sqrt(_squaredNorm), 0);

    /// <exception cref="InvalidOperationException">A gradient has come after the update that should have had it.</exception>
    public void RequireNoneLate()
    {
        foreach (var entry in entries)
            if (entry is { IsUpdated: true, HasGradient: true })
                throw new InvalidOperationException($"'{entry.Plan.Name}' was updated in the backward pass, and a part of its gradient came after that: from a "
                    + $"use of the weight that is no call of its layer, as a penalty on it. {nameof(GradientFlow)}.{GradientFlow.Stepped} takes calls alone: "
                    + "take another flow, or weight_decay in place of a penalty. Nothing else was changed; zero_grad() drops that part.");
    }

    /// <summary>Drops all that has been taken: another step begins.</summary>
    public void Drop()
    {
        DropTraces();
        if (_followed > 0)
            (_followedBefore, _followed) = (_followed, 0);
        (_isBegun, Divisor, IsDivided) = (false, 1, false);
        foreach (var entry in entries)
        {
            entry.IsUpdated = false;
            entry.Plan.Sink?.ExpectNothing();
            entry.DropAccumulated();
        }
    }

    /// <summary>Shows the states with what an open window has left in the gradients.</summary>
    public void Show(Action use)
    {
        try
        {
            foreach (var entry in IsOpen ? entries : [])
                if (entry.DenseGradient() is { } gradient)
                    entry.Bag.Set(ParameterState.PendingGradient, gradient);
            use();
        }
        finally
        {
            foreach (var entry in entries)
                entry.Bag.Remove(ParameterState.PendingGradient);
        }
    }

    /// <summary>Puts back what an open window had left in the gradients when the state was saved.</summary>
    public void Resume()
    {
        DropTraces();
        (_isBegun, Divisor, IsDivided) = (false, 1, false);
        foreach (var entry in entries)
        {
            _isBegun |= entry.Accumulated is not null;
            if (!entry.Bag.TryGet(ParameterState.PendingGradient, out var gradient))
                continue;

            _isBegun = true;
            entry.Parameter.grad = gradient;
            entry.Bag.Remove(ParameterState.PendingGradient);
        }
    }

    public void Dispose() => DropTraces();

    private void Trace(IEnumerable<ParameterState> traced)
    {
        foreach (var entry in traced)
        {
            using var gradient = entry.DenseGradient();
            if (gradient is not null)
                (_traces ??= new()).Add(gradient);
        }
    }

    private static double SquaredNorm(Tensor? tensor) => tensor is null ? 0 : Square(GradientCheck.NormOf(tensor));

    private static double Square(double norm) => norm * norm;
}
