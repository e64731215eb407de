namespace LowRankTraining.Parts;

/// <summary>Which side of a (rows × columns) gradient is compressed to the rank.</summary>
public enum ProjectionSide
{
    /// <summary>The short side: columns of a tall or square matrix, rows of a wide one. "std" in the authors' code.</summary>
    Short,

    /// <summary>The long side. "reverse_std" in the authors' code; costs more state, rarely useful.</summary>
    Long,

    /// <summary>The rows: low-rank gradient PᵀG, rank × columns.</summary>
    Left,

    /// <summary>The columns: low-rank gradient GQ, rows × rank.</summary>
    Right,

    /// <summary>Both: low-rank gradient PᵀGQ, rank × rank. "full" in the authors' code.</summary>
    Both,
}

/// <summary>Resolves a side for a given shape.</summary>
internal static class ProjectionSides
{
    /// <summary>Left, Right or Both. A square matrix counts as tall, as in the authors' code of GaLore, Fira and APOLLO.</summary>
    public static ProjectionSide For(this ProjectionSide side, long rows, long columns) => (side, tall: rows >= columns) switch
    {
        (ProjectionSide.Short, true) or (ProjectionSide.Long, false) => ProjectionSide.Right,
        (ProjectionSide.Short, false) or (ProjectionSide.Long, true) => ProjectionSide.Left,
        _ => side,
    };

    /// <summary>The largest rank that the side allows: its length, or the shorter one of both.</summary>
    public static long Limit(this ProjectionSide side, long rows, long columns) => side.For(rows, columns) switch
    {
        ProjectionSide.Left => rows,
        ProjectionSide.Right => columns,
        _ => Math.Min(rows, columns),
    };
}
