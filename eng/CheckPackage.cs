// Fails, with every reason, when a packed LowRankTraining is not what others should get. Usage: dotnet run --file CheckPackage.cs -- FOLDER

#:property PublishAot=false

using System.IO.Compression;
using System.Text;
using System.Xml.Linq;

var folder = args[0];
var root = Path.GetFullPath(Path.Combine(folder, "..", ".."));
var torchSharp = XDocument.Load(Path.Combine(root, "Directory.Build.props")).Descendants("TorchSharpVersion").Single().Value;
string[] frameworks = ["net8.0", "net10.0"];
List<string> problems = [];

var package = OnlyFile("*.nupkg");
var symbols = OnlyFile("*.snupkg");

using (var archive = ZipFile.OpenRead(package))
{
    var names = archive.Entries.Select(entry => entry.FullName).ToHashSet();
    foreach (var expected in frameworks.SelectMany(framework => new[] { $"lib/{framework}/LowRankTraining.dll", $"lib/{framework}/LowRankTraining.xml" })
        .Concat(["README.md", "LICENSE"]))
        Expect(names.Contains(expected), $"{expected} is missing");
    foreach (var name in names.Where(name => Path.GetFileName(name) == "TorchSharp.dll" || name.EndsWith(".so", StringComparison.Ordinal)))
        Expect(false, $"{name} must not be inside: applications bring TorchSharp themselves");
    foreach (var assembly in archive.Entries.Where(entry => entry.FullName.EndsWith(".dll", StringComparison.Ordinal)))
        Expect(!Mentions(assembly, root), $"{assembly.FullName} holds the path it was built in");

    var specification = Read(archive.Entries.Single(entry => entry.FullName == "LowRankTraining.nuspec"));
    var groups = specification.Descendants().Where(element => element.Name.LocalName == "group").ToList();
    Expect(groups.Count == frameworks.Length, $"{frameworks.Length} dependency groups expected, {groups.Count} found");
    foreach (var framework in frameworks)
    {
        var dependencies = groups.Where(group => (string?)group.Attribute("targetFramework") == framework).Elements()
            .ToDictionary(dependency => (string)dependency.Attribute("id")!, dependency => (string)dependency.Attribute("version")!);
        var version = dependencies.GetValueOrDefault("TorchSharp");
        Expect(version == torchSharp, $"for {framework} the dependency on TorchSharp is '{version}', not '{torchSharp}'");
        foreach (var backend in dependencies.Keys.Where(id => id.StartsWith("TorchSharp-", StringComparison.Ordinal)))
            Expect(false, $"for {framework} there is a dependency on {backend}: the choice of a backend is the application's");
    }
}

using (var archive = ZipFile.OpenRead(symbols))
{
    foreach (var framework in frameworks)
    {
        var name = $"lib/{framework}/LowRankTraining.pdb";
        Expect(archive.GetEntry(name) is not null, $"{name} is missing among the symbols");
    }
}

foreach (var problem in problems) Console.Error.WriteLine($"{Path.GetFileName(package)}: {problem}.");
if (problems.Count == 0) Console.WriteLine($"{Path.GetFileName(package)}: depends on TorchSharp {torchSharp} for {string.Join(" and ", frameworks)}; contents as expected.");
return problems.Count == 0 ? 0 : 1;

void Expect(bool holds, string otherwise)
{
    if (!holds) problems.Add(otherwise);
}

string OnlyFile(string pattern)
{
    var files = Directory.GetFiles(folder, pattern);
    return files.Length == 1 ? files[0] : throw new FileNotFoundException($"One {pattern} expected in {folder}, {files.Length} found.");
}

static XDocument Read(ZipArchiveEntry entry)
{
    using var stream = entry.Open();
    return XDocument.Load(stream);
}

static bool Mentions(ZipArchiveEntry entry, string text)
{
    using var stream = entry.Open();
    using var copy = new MemoryStream();
    stream.CopyTo(copy);
    return copy.ToArray().AsSpan().IndexOf(Encoding.UTF8.GetBytes(text)) >= 0;
}
