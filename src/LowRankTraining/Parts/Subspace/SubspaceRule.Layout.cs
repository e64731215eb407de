namespace LowRankTraining.Parts;

public sealed partial record SubspaceRule
{
    /// <inheritdoc/>
    public override string LayoutFor(IReadOnlyList<long> shape)
    {
        var (rows, columns) = shape.Sides();
        var limit = Side.Limit(rows, columns);
        var rank = $"{(Basis.IsAdaptive ? "at most " : "")}{RankFor(rows, columns)} of {limit}";
        var guard = Guard is null ? "" : $" behind {Guard.GetType().Name}";
        var feedback = Feedback is null ? "" : $", error {Feedback}";
        return $"{Side.For(rows, columns)} subspace of rank {rank}, {Basis.GetType().Name} {BasisFormat}, "
            + $"{Inner.LayoutFor(LowRankShape(rows, columns))}{guard}{feedback}";
    }

    /// <inheritdoc/>
    /// <remarks>With a basis that chooses its rank: the bytes at the largest one.</remarks>
    public override IEnumerable<StateSlot> SlotsFor(IReadOnlyList<long> shape)
    {
        var (rows, columns) = shape.Sides();
        var (rank, lowRank) = (RankFor(rows, columns), LowRankShape(rows, columns));
        return
        [
            .. BasesOf(rows, columns).SelectMany(basis => Basis.SlotsFor(basis.Slot, basis.Length, rank, BasisFormat)),
            .. Drift?.SlotsFor(BasesOf(rows, columns).First().Length, rank) ?? [],
            .. Inner.SlotsFor(lowRank),
            .. Guard?.Slots ?? [],
            .. Lift.Slots,
            .. Refresh.SlotsFor(lowRank.Elements()),
            .. Error?.SlotsFor(shape) ?? [],
            Clock,
            Accumulated,
            RenewedFor,
            .. Drift is not null || Basis.GoesAhead ? [Sketch] : (StateSlot[])[],
            Captured,
            FoundFor,
        ];
    }

    /// <summary>Where the bases are kept, and of which sides they are.</summary>
    private IEnumerable<(BasisSlot Slot, long Length)> BasesOf(long rows, long columns) => Side.For(rows, columns) switch
    {
        ProjectionSide.Left => [(BasisSlot.Only, rows)],
        ProjectionSide.Right => [(BasisSlot.Only, columns)],
        _ => [(BasisSlot.Left, rows), (BasisSlot.Right, columns)],
    };

    private long[] LowRankShape(long rows, long columns)
    {
        var (side, rank) = (Side.For(rows, columns), RankFor(rows, columns));
        return [side == ProjectionSide.Right ? rows : rank, side == ProjectionSide.Left ? columns : rank];
    }
}
