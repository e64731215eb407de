using System.IO.Compression;
using System.Reflection;

namespace TorchSharp.ApiStubs.Api;

/// <summary>The whole public and protected surface of the real TorchSharp, as the list beside this file states it.</summary>
public sealed class ApiSurface
{
    private static readonly Lazy<ApiSurface> Loaded = new(Load);

    private ApiSurface(IEnumerable<IApiEntry> entries)
    {
        var all = entries.ToList();
        Types = all.OfType<ApiType>().ToDictionary(type => type.FullName);
        Members = all.OfType<ApiMember>().ToLookup(member => member.Declaring.FullName);
    }

    /// <summary>Every type by its full name in metadata.</summary>
    public IReadOnlyDictionary<string, ApiType> Types { get; }

    /// <summary>The members of each type, by the type's full name in metadata.</summary>
    public ILookup<string, ApiMember> Members { get; }

    /// <summary>The list in this assembly, read once.</summary>
    public static ApiSurface Real => Loaded.Value;

    private static ApiSurface Load()
    {
        using var resource = Assembly.GetExecutingAssembly().GetManifestResourceStream("api.txt.gz")!;
        using var text = new StreamReader(new GZipStream(resource, CompressionMode.Decompress));
        return Parse(text.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    /// <summary>Reads lines; those that begin with # are remarks.</summary>
    public static ApiSurface Parse(IEnumerable<string> lines) =>
        new(lines.Select(line => line.TrimEnd('\r')).Where(line => !line.StartsWith('#')).Select(line => new LineParser(line).Parse()));

    /// <summary>The generic parameters in force inside a member.</summary>
    public GenericScope ScopeOf(ApiMember member) =>
        new(Types.TryGetValue(member.Declaring.FullName, out var type) ? type.Scope.OfType : [], member.TypeParameters);
}
