using TorchSharp.ApiStubs.Api;

namespace TorchSharp.ApiStubs.Stubs;

/// <summary>Writes the real public surface as a project that compiles to an assembly <c>TorchSharp</c> with the real version and no bodies.</summary>
public static class StubProject
{
    private const string Project = """
        <Project Sdk="Microsoft.NET.Sdk">
          <PropertyGroup>
            <TargetFramework>net8.0</TargetFramework>
            <AssemblyName>TorchSharp</AssemblyName>
            <Version>0.107.0</Version>
            <AllowUnsafeBlocks>true</AllowUnsafeBlocks>
            <Nullable>disable</Nullable>
            <RunAnalyzers>false</RunAnalyzers>
            <WarningLevel>0</WarningLevel>
            <OutputPath>bin/</OutputPath>
            <AppendTargetFrameworkToOutputPath>false</AppendTargetFrameworkToOutputPath>
          </PropertyGroup>
        </Project>

        """;

    /// <summary>Writes the project into a folder; returns how many types and members stand in it and what was left out.</summary>
    public static (int Written, IReadOnlyList<string> LeftOut) Write(ApiSurface surface, string folder)
    {
        Directory.CreateDirectory(folder);
        var source = new StubWriter(surface);
        File.WriteAllText(Path.Combine(folder, "TorchSharp.cs"), source.Write());
        File.WriteAllText(Path.Combine(folder, "TorchSharp.csproj"), Project);

        // The project stands alone: nothing of the repository around it applies.
        foreach (var name in (string[])["Directory.Build.props", "Directory.Build.targets", "Directory.Packages.props"])
            File.WriteAllText(Path.Combine(folder, name), "<Project />\n");
        return (source.Written, source.LeftOut);
    }
}
