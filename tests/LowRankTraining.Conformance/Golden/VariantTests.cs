using FluentAssertions;
using Xunit;

namespace LowRankTraining.Conformance.Golden;

/// <summary>Replays take everything from the case: a folder with other layers, batches, ranks and shapes is replayed as well.</summary>
public sealed class VariantTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("variants").FullName;

    public static TheoryData<string> All => [.. Variants.ByName.Keys];

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory, MemberData(nameof(All))]
    public void Case_with_other_names_counts_and_shapes_is_reproduced(string variant)
    {
        var golden = Variants.ByName[variant].Make().Through(_folder);

        var deviations = Replays.Of(golden);

        deviations.Should().NotBeEmpty().And.OnlyContain(deviation => deviation.Relative <= golden.Tolerance);
    }

    [Theory, MemberData(nameof(All))]
    public void Wrong_result_in_such_a_case_is_found(string variant)
    {
        var (make, result) = Variants.ByName[variant];
        var spoiled = make();
        spoiled.Spoil(result);
        var golden = spoiled.Through(_folder);

        var deviations = Replays.Of(golden);

        deviations.Should().Contain(deviation => !(deviation.Relative <= golden.Tolerance));
    }

    [Fact]
    public void Notes_that_list_other_matrices_than_the_file_are_refused()
    {
        var variant = Variants.ByName.First(entry => entry.Value.Make().Metadata["notes"].Contains("order", StringComparison.Ordinal)).Value.Make();
        variant.Metadata["notes"] = variant.Metadata["notes"].Replace("head.proj", "head.other", StringComparison.Ordinal);

        FluentActions.Invoking(() => Replays.Of(variant.Through(_folder))).Should().Throw<InvalidDataException>().WithMessage("*other matrices*head.proj*");
    }
}
