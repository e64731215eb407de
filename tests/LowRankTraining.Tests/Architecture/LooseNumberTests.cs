using FluentAssertions;
using Xunit;
using static System.FormattableString;

namespace LowRankTraining.Tests.Architecture;

/// <summary>Messages are the same in every country.</summary>
public class LooseNumberTests
{
    [Theory]
    [InlineData(typeof(ILowRankStrategy)), InlineData(typeof(Mpi.MpiWorld)), InlineData(typeof(Extensions.Hosting.LowRankTrainingOptions))]
    public void No_text_has_a_number_as_the_country_writes_it(Type library) => LooseNumbers.In(library.Assembly).Should().BeEmpty(LooseNumbers.Because);

    [Fact]
    public void Each_kind_is_seen_and_no_other() =>
        LooseNumbers.In(typeof(Texts)).Should().BeEquivalentTo(["Texts.Plain", "Texts.Formatted", "Texts.Optional"]);

    private static class Texts
    {
        public static string Plain(double x) => $"a ratio of {x}";

        public static string Formatted(float x) => $"{x:f2}";

        public static string Optional(double? x) => $"{x}";

        public static string Whole(int x) => $"{x}";

        public static string Fixed(double x) => Invariant($"a ratio of {x}");
    }
}
