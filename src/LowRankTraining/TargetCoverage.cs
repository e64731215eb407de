namespace LowRankTraining;

/// <summary>How much of a model a method is for.</summary>
/// <param name="Matrices">Matrices that are targets.</param>
/// <param name="Numbers">Numbers in them.</param>
/// <param name="Of">Numbers in all matrices but tables and heads, which methods leave alone by themselves.</param>
/// <param name="All">Numbers of the model.</param>
/// <param name="LeftOut">The largest of those that are no targets.</param>
internal sealed record TargetCoverage(int Matrices, long Numbers, long Of, long All, string LeftOut)
{
    /// <value>Whether most of what could be a target is none: then most of the memory is as it would be without the method.</value>
    public bool IsLow => 2 * Numbers < Of;

    /// <value>Percent of the model.</value>
    public double Percent => All == 0 ? 0 : 100.0 * Numbers / All;

    public static TargetCoverage For(IReadOnlyCollection<NamedParameter> parameters, Func<NamedParameter, bool> isTarget)
    {
        var targets = parameters.Where(isTarget).ToHashSet();
        var others = parameters.Where(other => other.IsMatrix && !other.IsTable && !other.IsHead && !targets.Contains(other)).ToArray();
        var numbers = targets.Sum(Size);
        return new(targets.Count(target => target.IsMatrix), numbers, numbers + others.Sum(Size), parameters.Sum(Size),
            string.Join(", ", others.OrderByDescending(Size).Take(4).Select(other => $"{other.Name} ({string.Join(" × ", other.Parameter.shape)})")));
    }

    private static long Size(NamedParameter parameter) => parameter.Parameter.shape.Elements();
}
