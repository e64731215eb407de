using System.Text.Json;
using FluentAssertions;
using LowRankTraining.Checkpoints;
using LowRankTraining.Text;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace LowRankTraining.Tests.Checkpoints;

public class MethodDescriptionTests
{
    [Fact]
    public void Options_are_listed_with_their_parts_and_without_what_cannot_be_saved() =>
        MethodDescription.Of(new Method { Rank = 3, Basis = new Drawn(2), Logger = NullLogger.Instance, Bound = double.PositiveInfinity })!.ToJsonString()
            .Should().Be(
            """{"Kind":"method","Basis":{"Kind":"drawn","Bits":2,"Density":0.5},"Bound":"Infinity","Day":"Monday","Names":["a","b"],"Rank":3,"Ranks":null}""");

    [Fact]
    public void Changes_are_named_by_path_with_both_values()
    {
        var saved = MethodDescription.Of(new Method { Rank = 128, Basis = new Drawn(2), Ranks = new Dictionary<string, int> { ["x"] = 1 } });
        Changes(new Method { Rank = 64, Basis = new Drawn(2) { Density = 0.25 }, Names = ["a"], Ranks = new Dictionary<string, int> { ["x"] = 2 } }).Should()
            .Equal(
            "Method.Basis.Density was 0.5 in the checkpoint and is 0.25",
            "Method.Names was [\"a\",\"b\"] in the checkpoint and is [\"a\"]",
            "Method.Rank was 128 in the checkpoint and is 64",
            "Method.Ranks.x was 1 in the checkpoint and is 2");
        Changes(new Method { Rank = 128, Basis = new Whole(), Ranks = new Dictionary<string, int> { ["x"] = 1 } }).Should().Equal(
            "Method.Basis was drawn in the checkpoint and is whole");

        IEnumerable<string> Changes(Method now) =>
            MethodDescription.Changes(new JsonView(JsonSerializer.SerializeToUtf8Bytes(saved)), now).Select(change => change.ToString());
    }

    private sealed record Method
    {
        public int Rank { get; init; }

        public double Bound { get; init; } = 1;

        public DayOfWeek Day { get; init; } = DayOfWeek.Monday;

        public object? Basis { get; init; }

        public IReadOnlyList<string> Names { get; init; } = ["a", "b"];

        public IReadOnlyDictionary<string, int>? Ranks { get; init; }

        public ILogger? Logger { get; init; }

        public Action? OnStep { get; init; }

        public int Double => 2 * Rank;
    }

    private sealed record Drawn(int Bits)
    {
        public double Density { get; init; } = 0.5;
    }

    private sealed record Whole;
}
