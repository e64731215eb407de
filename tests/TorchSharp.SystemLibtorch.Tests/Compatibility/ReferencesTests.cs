using FluentAssertions;
using TorchSharp.ApiStubs.Api;
using Xunit;

namespace TorchSharp.SystemLibtorch.Tests.Compatibility;

public class ReferencesTests
{
    [Fact]
    public void Everything_our_assemblies_use_of_TorchSharp_is_in_the_real_one()
    {
        var targets = new CallTargets(ApiSurface.Real);
        var assemblies = OurAssemblies().ToList();
        assemblies.Select(Path.GetFileName).Should().Contain("LowRankTraining.dll");

        Mismatches.MustBeNone(assemblies.SelectMany(assembly => Missing(assembly, targets)), "what is compiled here must run on the real package");
    }

    /// <summary>Everything that was built in this configuration and references TorchSharp. Outputs hold copies of each other's assemblies: the newest counts.</summary>
    private static IEnumerable<string> OurAssemblies()
    {
        var here = new DirectoryInfo(AppContext.BaseDirectory);
        return here.Parent!.Parent!.EnumerateDirectories()
            .SelectMany(project => project.EnumerateDirectories($"{here.Name}*"))
            .SelectMany(output => output.EnumerateFiles("*.dll"))
            .GroupBy(file => file.Name, (_, copies) => copies.MaxBy(copy => copy.LastWriteTimeUtc)!.FullName)
            .Where(ReferencedMembers.Uses);
    }

    private static IEnumerable<string> Missing(string path, CallTargets targets)
    {
        using var references = new ReferencedMembers(path);
        var assembly = Path.GetFileName(path);
        foreach (var type in references.Types().Where(type => !ApiSurface.Real.Types.ContainsKey(type)))
            yield return $"{assembly} uses the type {type}{Mismatches.Hint(Similarity.Nearest(type, ApiSurface.Real.Types.Keys, limit: 3))}";
        foreach (var (type, target) in references.Members().Where(member => ApiSurface.Real.Types.ContainsKey(member.Type) && !targets.Contains(member.Type, member.Target)))
            yield return $"{assembly} uses {type} :: {target}{Mismatches.Hint(targets.Nearest(type, target))}";
    }
}
