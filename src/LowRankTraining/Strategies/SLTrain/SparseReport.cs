namespace LowRankTraining.Strategies;

/// <summary>What is said of a matrix that has become low-rank factors and a sparse part.</summary>
internal static class SparseReport
{
    public static string Of(string reason, in Support support, string weight) =>
        $"{reason}; {support.Count} of {support.Rows * support.Columns} entries in its sparse part; {weight}";

    /// <summary>How far the parts are from the weight that they come from.</summary>
    public static string Kept(Tensor weight, Tensor parts)
    {
        using var scope = NewDisposeScope();
        var (kept, before) = (parts.to(ScalarType.Float32), weight.to(ScalarType.Float32));
        var lost = (kept - before).norm().ToDouble() / Math.Max(before.norm().ToDouble(), double.Epsilon);
        return FormattableString.Invariant($"made from the weight, {100 * lost:0.0} % of whose norm is lost");
    }

    /// <summary>Where the support is: with the values, or in the seed.</summary>
    public static string SupportOf(SparseRecipe recipe) =>
        recipe.KeepsIndices
            ? "with indices"
            : FormattableString.Invariant($"on the support of seed {recipe.Seed} at density {recipe.Density}");
}
