namespace LowRankTraining;

/// <summary>What a process has of a parameter's gradient.</summary>
[Flags]
internal enum LocalGradient : byte
{
    Nothing = 0,
    Whole = 1,
    Projected = 2,

    /// <summary>It is whole, and products of it are all that is needed.</summary>
    Usable = 4,

    /// <summary>It is whole, and its products would tell nothing.</summary>
    Unfit = 8,

    /// <summary>It has changed since it was sent in the backward pass, or something else was sent.</summary>
    Late = 16,
}
