namespace LowRankTraining.Strategies;

/// <summary>Low-rank factors and a sparse part in the place of weights.</summary>
internal sealed class SparseMethod(AdapterSettings settings, SparseRecipe recipe) : AdapterMethod(settings)
{
    /// <value>A hook would come too late: the layer has multiplied by its weight already.</value>
    public override IReadOnlyList<Injection> Ways => [Injection.Replace, Injection.Shadow];

    public override void Check(IReadOnlyList<Site> sites)
    {
        foreach (var site in sites)
            recipe.RequireUsable(site.Name, site.Weight);

        var empty = sites.Where(HasNoEntry).Select(site => $"{site.Name} ({string.Join(" x ", site.Weight.shape)})").ToArray();
        if (empty.Length == 0)
            return;

        var text = FormattableString.Invariant(
            $"a density of {recipe.Density} gives {empty.Length} matrices no sparse entry: {string.Join("; ", empty.Take(8))}");
        if (Settings.Strict)
            throw new ArgumentException($"Under Strict every matrix must have a sparse part, and {text}. "
                + "Raise Density, or leave these matrices out with Targets.Except. Nothing was changed.");
        Logger?.SingleEntry(Strategy, text);
    }

    public override Adapter Adapt(in AdapterRequest request)
    {
        var own = recipe with { Rank = (int)request.Rank };
        return request.Way == Injection.Replace
            ? new SparseReplacement(request, Settings, own, own.LayerFor(request.Site.Name, request.Site.Linear!))
            : new SparseShadow(request.Site, own, request.Reason);
    }

    protected override long BytesFor(long rows, long columns, long rank) =>
        base.BytesFor(rows, columns, rank) + Settings.Adam.BytesFor([Support.CountFor(recipe.Density, rows, columns)]);

    private bool HasNoEntry(Site site)
    {
        var (rows, columns) = site.Weight.shape.Sides();
        return Support.CountFor(recipe.Density, rows, columns) == 0;
    }
}

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
}
