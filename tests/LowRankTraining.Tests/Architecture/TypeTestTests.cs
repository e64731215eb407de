using FluentAssertions;
using TorchSharp;
using Xunit;

namespace LowRankTraining.Tests.Architecture;

/// <summary>What a part can do is a member of its contract: nobody outside its folder asks which part it is.</summary>
public class TypeTestTests
{
    private static readonly ILookup<string, Type> Types = typeof(ILowRankStrategy).Assembly.GetTypes().ToLookup(type => type.Name.Split('`')[0]);

    [Fact]
    public void No_code_asks_for_a_concrete_rule_basis_method_or_layer_outside_its_folder() =>
        CompiledAssembly.TypeTestsIn(typeof(ILowRankStrategy).Assembly, "/src/LowRankTraining/")
            .Where(test => Path.GetDirectoryName(test.From.File) != Path.GetDirectoryName(test.To.File) && Types[test.To.Name].Any(IsConcretePart))
            .Select(test => $"{test.From.File} ({test.Member}) asks for {test.To.Name}")
            .Should().Equal([], "such a difference belongs into a member with a default");

    [Fact]
    public void Patterns_are_seen() =>
        CompiledAssembly.TypeTestsIn(typeof(TypeTestTests).Assembly, "/tests/LowRankTraining.Tests/")
            .Should().Contain(test => test.From.Name == "User" && test.To.Name == nameof(UsedInPattern));

    private static bool IsConcretePart(Type type) =>
        type is { IsClass: true, IsAbstract: false } && (typeof(IPart).IsAssignableFrom(type) || typeof(torch.nn.Module).IsAssignableFrom(type));
}
