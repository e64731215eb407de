using FluentAssertions;
using Xunit;
using Xunit.Abstractions;

namespace LowRankTraining.Tests.Architecture;

/// <summary>References between the parts of the library go one way, so there are no cycles.</summary>
public class LayerTests(ITestOutputHelper output)
{
    private static readonly IReadOnlyCollection<Reference> References =
        CompiledAssembly.ReferencesOf(typeof(ILowRankStrategy).Assembly, "/src/LowRankTraining/");

    [Fact]
    public void Order_has_no_cycle() => Layers.All.Invoking(layers => layers.Select(Layers.Under).ToArray()).Should().NotThrow();

    [Fact]
    public void Every_folder_has_a_place_in_the_order() =>
        References.SelectMany(reference => new[] { reference.From, reference.To }).Where(type => Layers.Of(type) is null)
            .Select(type => type.Folder).Distinct().Should().BeEmpty("Layers.Below says what a folder may use");

    [Fact]
    public void References_go_down()
    {
        var up = References.Where(GoesUp).ToLookup(Edge);
        output.WriteLine($"Back edges that are left:\n{string.Join('\n', up.OrderBy(edge => edge.Key, StringComparer.Ordinal).Select(Describe))}");

        string[] objections =
        [
            .. up.Where(edge => !Layers.BackEdges.Contains(edge.Key)).Select(edge => $"New reference that does not go down: {Describe(edge)}"),
            .. Layers.BackEdges.Where(edge => !up.Contains(edge)).Select(edge => $"'{edge}' is cut: remove it from Layers.BackEdges."),
        ];
        if (objections.Length > 0)
            Assert.Fail(string.Join('\n', objections));
    }

    private static bool GoesUp(Reference reference) =>
        Layers.Of(reference.From) is { } from && Layers.Of(reference.To) is { } to && from != to && !Layers.Under(from).Contains(to);

    private static string Edge(Reference reference) => $"{Layers.Of(reference.From)} → {reference.To.Name}";

    /// <summary>An edge, and below it a line for each type at its beginning, with the members that hold it.</summary>
    private static string Describe(IGrouping<string, Reference> edge) => string.Join('\n',
        [
            $"{edge.Key} ({Layers.Of(edge.First().To)})",
            .. edge.GroupBy(reference => (reference.From, reference.To)).Select(pair =>
                $"    {pair.Key.From} → {pair.Key.To} via {string.Join(", ", pair.Select(reference => reference.Member).Order(StringComparer.Ordinal))}"),
        ]);
}
