namespace LowRankTraining.Tests.Architecture;

/// <summary>A use of one type by another. Nested and generated types count as the type that they are in.</summary>
/// <param name="Member">Where in <paramref name="From"/>: a method or a field, or "declaration" for its base type and interfaces.</param>
internal readonly record struct Reference(SourceType From, string Member, SourceType To);

/// <summary>A type and the file that declares it, relative to the folder of its project.</summary>
internal sealed record SourceType(string Name, string File)
{
    /// <summary>The folder, the second one where the first only holds folders; empty for files in the project's own folder.</summary>
    public string Folder => File.Split('/') switch
    {
        ["Parts" or "Layers" or "Checkpoints", var folder, _, ..] => folder,
        [var folder, _, ..] => folder,
        _ => "",
    };

    public override string ToString() => $"{Name} ({File})";
}
