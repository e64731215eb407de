using LowRankTraining.Numerics;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Parts;

public sealed partial record SubspaceRule
{
    private static readonly StateSlot Accumulated = new("accumulated");

    /// <summary>The update, counted from 1, whose subspace has been found before the step.</summary>
    private static readonly StateSlot RenewedFor = new("renewed_for");

    /// <inheritdoc/>
    public override bool Projects => true;

    /// <inheritdoc/>
    public override bool NeedsOnlyProjection(StateBag state, in StepContext step) => !IsDue(state, step) && !ObstaclesToAccumulation().Any();

    /// <inheritdoc/>
    /// <remarks>Σ Pᵀ Gᵢ = Pᵀ Σ Gᵢ while P stays: exact but for rounding. In a window that ends with a refresh the
    /// whole gradient is needed, and nothing is taken.</remarks>
    public override bool TryAccumulate(Tensor gradient, StateBag state, in StepContext step)
    {
        using var scope = NewDisposeScope();
        if (WhatCounts(gradient, state, step) is not { } lowRank)
            return false;

        Accumulate(lowRank, state);
        return true;
    }

    /// <inheritdoc/>
    public override bool TryAccumulateProduct(Tensor delta, Tensor input, StateBag state, in StepContext step)
    {
        if (!NeedsOnlyProjection(state, step))
            return false;

        using var scope = NewDisposeScope();
        var (left, right) = (delta.Widened(), input.Widened());
        Accumulate(Current(left, left.size(1), right.size(1), state, step).ProjectProduct(left, right), state);
        return true;
    }

    /// <inheritdoc/>
    public override bool TryRenew(Tensor gradient, StateBag state, in StepContext step)
    {
        if (!IsDue(state, step) || ObstacleToAccumulation is not null || GradientCheck.Judge(gradient) != GradientVerdict.Usable)
            return false;

        using var scope = NewDisposeScope();
        Accumulate(Renew(gradient.AsMatrix(), state, step).LowRank, state);
        state.SetCounter(RenewedFor, state.Counter(Clock) + 1);
        return true;
    }

    /// <inheritdoc/>
    public override Tensor? WhatCounts(Tensor gradient, StateBag state, in StepContext step)
    {
        if (!NeedsOnlyProjection(state, step))
            return null;

        using var scope = NewDisposeScope();
        var matrix = gradient.AsMatrix();
        return Current(matrix, state, step).Project(matrix).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override Tensor? AccumulatedIn(StateBag state) => state.TryGet(Accumulated, out var sum) ? sum : null;

    /// <inheritdoc/>
    /// <remarks>A subspace that was found for a step that has not been taken is due again.</remarks>
    public override void DropAccumulated(StateBag state)
    {
        state.Remove(Accumulated);
        if (state.Counter(RenewedFor) > state.Counter(Clock))
            state.SetCounter(RenewedFor, 0);
    }

    /// <inheritdoc/>
    public override string? ObstacleToAccumulation => ObstaclesToAccumulation().FirstOrDefault();

    /// <inheritdoc/>
    public override void AddAccumulated(Tensor accumulator, double scale, StateBag state, in StepContext step)
    {
        if (!state.TryGet(Accumulated, out var sum))
            return;

        using var scope = NewDisposeScope();
        var (rows, columns) = accumulator.shape.Sides();
        var lowRank = sum.alias();
        state.Remove(Accumulated);

        var projection = Current(lowRank, rows, columns, state, step);
        var squares = Lift.NeedsOneSide ? SquaredNorms.Along(lowRank, projection.RankAxis) : null;
        if (!step.AcceptsSquared(squares ?? lowRank, lowRank, out var isHuge))
            return;
        if (isHuge)
            (lowRank, squares) = (GradientCheck.InRange(lowRank), null);

        // Nothing looks at it where a gradient may be accumulated, and it has no memory.
        var nothing = zeros(1, 1, lowRank.dtype, lowRank.device).expand(rows, columns);
        Advance(new(nothing, projection, lowRank), squares, accumulator, scale, state, step);
    }

    private static void Accumulate(Tensor lowRank, StateBag state)
    {
        if (state.TryGet(Accumulated, out var sum))
            sum.add_(lowRank);
        else
            state.Set(Accumulated, lowRank);
    }

    private static bool TakeAccumulated(Tensor lowRank, StateBag state)
    {
        if (!state.TryGet(Accumulated, out var sum))
            return false;

        lowRank.add_(sum);
        state.Remove(Accumulated);
        return true;
    }
}
