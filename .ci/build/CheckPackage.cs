// Fails, with every reason, when a packed package is not what others should get. Usage: dotnet run --file CheckPackage.cs -- FOLDER

#:property PublishAot=false

using System.IO.Compression;
using System.Reflection.Metadata;
using System.Text;
using System.Text.RegularExpressions;
using System.Xml.Linq;

var folder = args[0];
var root = Path.GetFullPath(Path.Combine(folder, "..", ".."));
var torchSharp = XDocument.Load(Path.Combine(root, "Directory.Build.props")).Descendants("TorchSharpVersion").Single().Value;
string[] frameworks = ["net8.0", "net10.0"], files = ["README.md", "LICENSE", "CHANGELOG.md", "icon.png"];
List<string> problems = [];

var packages = Directory.GetFiles(folder, "*.nupkg").Order(StringComparer.Ordinal).ToArray();
var projects = Directory.GetFiles(Path.Combine(root, "src"), "*.csproj", SearchOption.AllDirectories);
if (packages.Length != projects.Length)
    problems.Add($"{projects.Length} packages expected in {folder}, {packages.Length} found");
HashSet<string> versions = [];
foreach (var package in packages)
    Check(package);
if (versions.Count > 1)
    problems.Add($"packages of one release have one version, and these have {string.Join(", ", versions)}");

foreach (var problem in problems) Console.Error.WriteLine($"{problem}.");
if (problems.Count == 0)
    Console.WriteLine(
        $"{packages.Length} packages of version {string.Join(", ", versions)}: on TorchSharp {torchSharp} for {string.Join(" and ", frameworks)}; "
        + "contents as expected.");
return problems.Count == 0 ? 0 : 1;

void Check(string package)
{
    using var archive = ZipFile.OpenRead(package);
    var names = archive.Entries.Select(entry => entry.FullName).ToHashSet();
    var specification = Read(archive.Entries.Single(entry => entry.FullName.EndsWith(".nuspec", StringComparison.Ordinal)));
    var (id, version) = (Metadata("id")!, Metadata("version")!);
    versions.Add(version);

    var build = id == "LowRankTraining" ? new[] { "buildTransitive/LowRankTraining.targets", "buildTransitive/LoadableTorchSharp.cs" } : [];
    var libraries = frameworks.SelectMany(framework => new[] { $"lib/{framework}/{id}.dll", $"lib/{framework}/{id}.xml" });
    foreach (var expected in libraries.Concat([.. files, .. build]))
        Expect(names.Contains(expected), $"{expected} is missing");
    foreach (var name in names.Where(name => Path.GetFileName(name) == "TorchSharp.dll" || name.EndsWith(".so", StringComparison.Ordinal)))
        Expect(false, $"{name} must not be inside: applications bring TorchSharp themselves");
    foreach (var assembly in archive.Entries.Where(entry => entry.FullName.EndsWith(".dll", StringComparison.Ordinal)))
    {
        Expect(!Mentions(assembly, Encoding.UTF8, root), $"{assembly.FullName} holds the path it was built in");
        Expect(Mentions(assembly, Encoding.UTF8, version), $"{assembly.FullName} does not say that it is version {version}");
    }

    Expect(Metadata("icon") == "icon.png" && Metadata("readme") == "README.md" && Metadata("license") == "MIT", "icon, readme or license are not set");
    Expect(Metadata("description") is { Length: > 50 }, "the description says too little");
    foreach (var tag in new[] { "galore", "lora", "qlora", "dora", "apollo", "fira", "relora", "peft", "llm", "fine-tuning", "pytorch", "torchsharp" })
        Expect(Metadata("tags")!.Split(' ').Contains(tag), $"the tag '{tag}' is missing");

    var groups = specification.Descendants().Where(element => element.Name.LocalName == "group").ToList();
    Expect(groups.Count == frameworks.Length, $"{frameworks.Length} dependency groups expected, {groups.Count} found");
    foreach (var framework in frameworks)
        CheckDependencies(framework, groups.Where(group => (string?)group.Attribute("targetFramework") == framework).Elements()
            .ToDictionary(dependency => (string)dependency.Attribute("id")!, dependency => (string)dependency.Attribute("version")!));

    CheckReadme(new StreamReader(archive.GetEntry("README.md")!.Open()).ReadToEnd());
    CheckSymbols(Path.ChangeExtension(package, ".snupkg"), id);

    string? Metadata(string name) => specification.Descendants().FirstOrDefault(element => element.Name.LocalName == name)?.Value;

    void CheckDependencies(string framework, Dictionary<string, string> dependencies)
    {
        var torch = dependencies.GetValueOrDefault("TorchSharp");
        Expect(torch == torchSharp, $"for {framework} the dependency on TorchSharp is '{torch}', not '{torchSharp}'");
        foreach (var backend in dependencies.Keys.Where(name => name.StartsWith("TorchSharp-", StringComparison.Ordinal)))
            Expect(false, $"for {framework} there is a dependency on {backend}: the choice of a backend is the application's");
        foreach (var (name, lowest) in dependencies.Where(dependency => dependency.Key.StartsWith("Microsoft.Extensions.", StringComparison.Ordinal)))
            Expect(lowest == $"{framework[3..]}.0", $"for {framework} {name} is {lowest}, and the lowest version that works is {framework[3..]}.0");
        foreach (var (name, own) in dependencies.Where(dependency => dependency.Key.StartsWith("LowRankTraining", StringComparison.Ordinal)))
            Expect(own == version, $"for {framework} {name} is {own}, not {version}");
    }

    // Relative links lead nowhere on a package's page.
    void CheckReadme(string text)
    {
        foreach (Match link in Regex.Matches(text, @"\]\(([^)]+)\)"))
            Expect(link.Groups[1].Value.StartsWith("https://", StringComparison.Ordinal),
                $"README.md links to {link.Groups[1].Value}, which is not there on the package's page");
        Expect(text.Contains("dotnet add package TorchSharp-cpu", StringComparison.Ordinal), "README.md does not say how to install a backend");
    }

    void CheckSymbols(string symbols, string assembly)
    {
        using var archive = ZipFile.OpenRead(symbols);
        foreach (var framework in frameworks)
        {
            var name = $"lib/{framework}/{assembly}.pdb";
            if (archive.GetEntry(name) is not { } entry)
            {
                Expect(false, $"{name} is missing among the symbols");
                continue;
            }

            using var copy = new MemoryStream(Bytes(entry));
            using var provider = MetadataReaderProvider.FromPortablePdbStream(copy);
            var reader = provider.GetMetadataReader();
            var embedded = new Guid("0E8A571B-6926-466E-B4AD-8AB04611F5FE");
            var without = reader.Documents.Where(document => !reader.GetCustomDebugInformation(document).Any(information =>
                reader.GetGuid(reader.GetCustomDebugInformation(information).Kind) == embedded)).ToArray();
            Expect(without.Length == 0, $"{name} lacks {without.Length} source files");
        }
    }

    void Expect(bool holds, string otherwise)
    {
        if (!holds) problems.Add($"{Path.GetFileName(package)}: {otherwise}");
    }
}

static XDocument Read(ZipArchiveEntry entry)
{
    using var stream = entry.Open();
    return XDocument.Load(stream);
}

// Metadata of assemblies is UTF-8, as is what attributes hold.
static bool Mentions(ZipArchiveEntry entry, Encoding encoding, string text) => Bytes(entry).AsSpan().IndexOf(encoding.GetBytes(text)) >= 0;

static byte[] Bytes(ZipArchiveEntry entry)
{
    using var stream = entry.Open();
    using var copy = new MemoryStream();
    stream.CopyTo(copy);
    return copy.ToArray();
}
