using FluentAssertions;
using Xunit;

namespace LowRankTraining.Tests.Architecture;

/// <summary>Each way to use a type is seen.</summary>
public class CompiledAssemblyTests
{
    private static readonly IReadOnlyCollection<Reference> References =
        CompiledAssembly.ReferencesOf(typeof(CompiledAssemblyTests).Assembly, "/tests/LowRankTraining.Tests/");

    [Theory]
    [InlineData(nameof(UsedAsBase), "declaration")]
    [InlineData(nameof(IUsedAsInterface), "declaration")]
    [InlineData(nameof(UsedAsConstraint), "declaration")]
    [InlineData(nameof(UsedAsField), "_field")]
    [InlineData(nameof(UsedAsParameter), nameof(User<>.Takes))]
    [InlineData(nameof(UsedAsArgument), nameof(User<>.Makes))]
    [InlineData(nameof(UsedInLambda), nameof(User<>.Defers))]
    [InlineData(nameof(UsedInIterator), nameof(User<>.Yields))]
    [InlineData(nameof(UsedInPattern), nameof(User<>.Tests))]
    [InlineData(nameof(UsedInCatch), nameof(User<>.Catches))]
    public void Use_is_seen(string type, string member) =>
        References.Where(reference => reference.From.Name == "User" && reference.To.Name == type)
            .Select(reference => reference.Member.Split('.')[0]).Distinct().Should().Contain(member);

    [Fact]
    public void Types_are_found_in_their_files() =>
        References.Single(reference => reference.From.Name == "User" && reference.To.Name == nameof(UsedAsBase) && reference.Member == "declaration")
            .To.Should().Be(new SourceType(nameof(UsedAsBase), "Architecture/Uses.cs"));
}
