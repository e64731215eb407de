namespace LowRankTraining.Tests.Documentation.Snippets;

/// <summary>A C# block of a page.</summary>
/// <param name="Page">Path of the page in the repository.</param>
/// <param name="Line">Where the block's code begins, from 1.</param>
/// <param name="Code">The lines between the fences.</param>
/// <param name="Given">Code from comments before the block, which readers do not see, with the lines where it stands.</param>
/// <param name="Runs">False for a block that is compiled only.</param>
/// <param name="Before">The block that this one continues.</param>
/// <param name="Limit">The most lines that a block may have which is a whole program.</param>
internal sealed record Snippet(
    string Page, int Line, string Code, IReadOnlyList<(int Line, string Code)> Given, bool Runs, Snippet? Before, int? Limit = null)
{
    /// <summary>Whether it is all of a program, with its usings, and not a part of one.</summary>
    public bool IsProgram => Limit is not null;

    /// <summary>Lines that a reader has to write; empty ones are none.</summary>
    public int Lines => Code.Split('\n').Count(line => !string.IsNullOrWhiteSpace(line));

    /// <summary>The blocks that this one continues, the first one first, and itself.</summary>
    public IEnumerable<Snippet> Chain => Before is null ? [this] : [.. Before.Chain, this];

    public override string ToString() => $"{Page}({Line})";
}
