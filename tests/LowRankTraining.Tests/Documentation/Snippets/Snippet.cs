namespace LowRankTraining.Tests.Documentation.Snippets;

/// <summary>A C# block of a page.</summary>
/// <param name="Page">Path of the page in the repository.</param>
/// <param name="Line">Where the block's code begins, from 1.</param>
/// <param name="Code">The lines between the fences.</param>
/// <param name="Given">Code from comments before the block, which readers do not see, with the lines where it stands.</param>
/// <param name="Runs">False for a block that is compiled only.</param>
/// <param name="Before">The block that this one continues.</param>
internal sealed record Snippet(string Page, int Line, string Code, IReadOnlyList<(int Line, string Code)> Given, bool Runs, Snippet? Before)
{
    /// <summary>The blocks that this one continues, the first one first, and itself.</summary>
    public IEnumerable<Snippet> Chain => Before is null ? [this] : [.. Before.Chain, this];

    public override string ToString() => $"{Page}({Line})";
}
