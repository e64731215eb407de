using System.Xml;
using System.Xml.Linq;

namespace LanguageModel.Data;

/// <summary>The English of the .NET SDK's own API documentation: text that is there wherever this program can be built.</summary>
/// <remarks>It is in the XML files of the reference pack beside the SDK, <c>packs/Microsoft.NETCore.App.Ref/VERSION/ref/*/*.xml</c>.</remarks>
public static class ApiDocumentation
{
    private const string Pack = "Microsoft.NETCore.App.Ref";

    /// <summary>The files of the newest reference pack.</summary>
    /// <exception cref="UserException">No SDK with documentation was found.</exception>
    public static (string Title, IReadOnlyList<string> Files) Find()
    {
        var newest = DotnetRoots.All()
            .Select(root => Path.Combine(root, "packs", Pack))
            .Where(Directory.Exists)
            .SelectMany(Directory.EnumerateDirectories)
            .Select(folder => (Folder: folder, Version: VersionOf(folder), Files: XmlFiles(folder)))
            .Where(pack => pack.Files.Count > 0)
            .OrderByDescending(pack => pack.Version)
            .FirstOrDefault();

        return newest.Files is { } files
            ? ($"API documentation of .NET {Path.GetFileName(newest.Folder)}", files)
            : throw new UserException(
                $"No .NET SDK with API documentation ({Pack}) was found. Set DOTNET_ROOT to the SDK's folder, or give a text file with --data.");
    }

    /// <summary>One document for each type in <paramref name="files"/>: what is said about it and its members.</summary>
    public static IEnumerable<string> Documents(IEnumerable<string> files) => files.SelectMany(Documents);

    /// <summary>One document for each type in the documentation file <paramref name="file"/>.</summary>
    /// <remarks>Overloads say the same of the same parameters; what was said of a type is not said again.</remarks>
    public static IEnumerable<string> Documents(string file)
    {
        string? type = null;
        var lines = new List<string>();
        var said = new HashSet<string>();
        foreach (var member in Members(file))
        {
            var owner = TypeOf(member.Attribute("name")?.Value ?? "");
            if (owner != type && lines.Count > 0)
            {
                yield return string.Join('\n', lines);
                lines.Clear();
                said.Clear();
            }

            type = owner;
            lines.AddRange(DocumentationText.Lines(member).Where(said.Add));
        }

        if (lines.Count > 0)
            yield return string.Join('\n', lines);
    }

    private static IEnumerable<XElement> Members(string file)
    {
        using var reader = XmlReader.Create(file);
        var found = reader.ReadToFollowing("member");
        while (found)
        {
            yield return (XElement)XNode.ReadFrom(reader);
            found = reader is { NodeType: XmlNodeType.Element, Name: "member" } || reader.ReadToNextSibling("member");
        }
    }

    /// <summary>The full name of the type that <c>M:System.String.Join(System.Char)</c> or <c>T:System.String</c> is about.</summary>
    private static string TypeOf(string member)
    {
        var name = member.Split('(')[0];
        return name.StartsWith("T:", StringComparison.Ordinal) ? name[2..] : name[2..Math.Max(2, name.LastIndexOf('.'))];
    }

    private static Version VersionOf(string folder) =>
        Version.TryParse(Path.GetFileName(folder).Split('-')[0], out var version) ? version : new Version();

    private static List<string> XmlFiles(string pack)
    {
        var references = Path.Combine(pack, "ref");
        return Directory.Exists(references)
            ? [.. Directory.EnumerateFiles(references, "*.xml", SearchOption.AllDirectories).Order(StringComparer.Ordinal)]
            : [];
    }
}
