namespace LowRankTraining.Parts;

/// <content>What is out of range, and what does not go together.</content>
public sealed partial record SubspaceRule
{
    /// <inheritdoc/>
    public override void Check(Checks checks)
    {
        checks
            .AtLeast(1, Rank)
            .Ratio(Density)
            .Defined(Side)
            .Part(Basis)
            .Format(BasisFormat)
            .Part(Refresh)
            .OptionalPart(Drift)
            .Part(OnRefresh)
            .Part(Inner)
            .OptionalPart(Guard)
            .Part(Lift)
            .OptionalMoments(Feedback)
            .Fraction(NoiseFloor);

        if (Basis is not null && BasisFormat is not null && Refresh is not null && OnRefresh is not null && Inner is not null && Lift is not null)
            checks.Refuse(ContradictionsOfParts());
    }

    /// <summary>What cannot be combined, that within the basis included.</summary>
    internal IEnumerable<string> Contradictions()
    {
        foreach (var contradiction in ContradictionsOfParts())
            yield return contradiction;
        for (var (outer, inner) = (Basis, Basis.Within); inner is not null; (outer, inner) = (inner, inner.Within))
        {
            if (BasisChecks.ObjectionTo(inner, outer) is { } objection)
                yield return objection;
            if (inner.GoesAhead)
                yield return $"{inner.GetType().Name} goes ahead of a refresh, and {outer.GetType().Name} asks it only when one is due: set Ahead to false.";
        }
    }

    /// <summary>What cannot be combined, each in a sentence that says what to do.</summary>
    private IEnumerable<string> ContradictionsOfParts()
    {
        if (Lift.NeedsOrthonormalBasis && !Basis.IsOrthonormal)
            yield return $"{Lift.GetType().Name} steps back through the basis, and {Basis.GetType().Name} is not orthonormal: "
                + "take a basis that is, such as RandomOrthonormalBasis.";
        if (Guard?.ObjectionTo(Inner) is { } objection)
            yield return objection;
        if (Lift.NeedsOneSide && Side == ProjectionSide.Both)
            yield return $"{Lift.GetType().Name} scales along the side that is not compressed, and Side is Both: choose one side.";
        if (Feedback is not null && Lift.NeedsFullGradient)
            yield return $"Error feedback gives the residual back later and {Lift.GetType().Name} uses it at once: leave one of them out.";
        if (Basis.IsAdaptive && !OnRefresh.AllowsRankChange)
            yield return $"{Basis.GetType().Name} changes the rank, and moments that are kept would not fit: "
                + "set OnRefresh to Rotate, ProjectionAware, VarianceFill or Reset.";
        if (Basis.IsAdaptive && Inner.NeedsFixedShape)
            yield return $"{Basis.GetType().Name} changes the rank, and what {Inner.GetType().Name} keeps beside its moments would not fit: "
                + "take Adam inside, or a basis of a fixed rank.";
        if (Refresh.LeastShare > Basis.CapturedShare)
            yield return FormattableString.Invariant($"{Refresh.GetType().Name}.Least is {Refresh.LeastShare}: it must be at most {Basis.CapturedShare}, ")
                + $"what {Basis.GetType().Name} captures (1 − Outside), or every new subspace would be left at once.";
        if (Drift is not null && Basis.IsAdaptive)
            yield return $"{Drift.GetType().Name} moves a basis of a fixed rank, and {Basis.GetType().Name} changes it: "
                + "take a basis that does not, such as RandomizedSvdBasis.";
        if (Drift is not null && (Side == ProjectionSide.Both || !Basis.KeepsColumns))
            yield return $"{Drift.GetType().Name} moves the stored basis of one side: choose one side and a basis that is found from the gradient.";
        if (Basis.GoesAhead && !Refresh.OnlyCounts)
            yield return $"{Basis.GetType().Name} goes ahead of a refresh, and {Refresh.GetType().Name} does not know of one before it is due: "
                + "take PeriodicRefresh or StaggeredRefresh.";
        if (Basis.GoesAhead && (Side == ProjectionSide.Both || Feedback is not null || Drift is not null))
            yield return $"{Basis.GetType().Name} goes ahead of a refresh by the gradient of the update before, in a subspace of one side, "
                + "without error feedback and without a drift: set Ahead to false.";
        if (Drift is not null && !BasisFormat.KeepsSmallMoves)
            yield return $"{Drift.GetType().Name} moves the basis by less than a 4-bit code is wide, which would undo every move: set BasisFormat to Float32.";
    }

    /// <summary>The same for training with gradients accumulated in the subspace.</summary>
    internal IEnumerable<string> ObstaclesToAccumulation()
    {
        foreach (var obstacle in ObstaclesToProjection())
            yield return $"{obstacle[..^1]}, which accumulation in the subspace throws away: accumulate in full.";
        if (Drift is not null)
            yield return $"{Drift.GetType().Name} goes by the whole gradient, which accumulation in the subspace throws away: accumulate in full.";
    }

    /// <summary>The same for updates that are made of nothing but the projection of a gradient.</summary>
    private IEnumerable<string> ObstaclesToProjection()
    {
        if (Lift.NeedsFullGradient)
            yield return $"{Lift.GetType().Name} needs the whole gradient.";
        if (Feedback is not null)
            yield return "Error feedback needs the whole gradient.";
    }
}
