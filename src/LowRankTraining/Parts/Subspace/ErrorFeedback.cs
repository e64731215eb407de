namespace LowRankTraining.Parts;

/// <summary>Keeps what a projection drops, and gives it back with the next gradient.</summary>
/// <remarks>
/// <para>Ĝ = G + E is projected in place of G; E ← Ĝ − P R + β₁/(1 − β₁) (P_old M_old − P M), the part of gradient
/// and first moment that the new subspace does not hold.</para>
/// <para>State: <c>error</c>, in the gradient's shape: this costs what the projection saves on one moment. It is kept
/// with the other state, so that a resumed run has it.</para>
/// <para>Source: Robert et al., LDAdam, arXiv 2410.16103, algorithm 1, lines 8 and 10.</para>
/// </remarks>
/// <param name="Format">How the error is stored.</param>
internal readonly record struct ErrorFeedback(StateFormat Format)
{
    private MomentSlot Slot => new("error", 1) { Format = Format };

    public IEnumerable<StateSlot> SlotsFor(IReadOnlyList<long> shape) => Slot.SlotsFor(shape);

    /// <summary>Ĝ = G + E.</summary>
    public Tensor Add(Tensor matrix, StateBag state) => Slot.Read(state, matrix).add_(matrix);

    /// <summary>E += ±β₁/(1 − β₁) P M.</summary>
    public static void AddMoment(Tensor error, Projection projection, in SubspaceChange change, bool old)
    {
        foreach (var slot in change.Inner.Moments)
            if (slot.Order == 1 && slot.IsIn(change.State))
            {
                using var scope = NewDisposeScope();
                var moment = slot.Read(change.State, new TensorKind(error, projection.ShapeOf(change.Rows, change.Columns)));
                projection.AddBack(error, moment, (old ? 1 : -1) * slot.Decay / (1 - slot.Decay));
            }
    }

    /// <summary>E ← Ĝ − P R, and stores it.</summary>
    public void Keep(Tensor error, Projection projection, Tensor lowRank, StateBag state, in StepContext step)
    {
        projection.AddBack(error, lowRank, -1);
        Slot.Write(state, error, step);
    }
}
