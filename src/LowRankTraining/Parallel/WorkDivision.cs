namespace LowRankTraining;

/// <summary>Which of several processes has the state of a parameter, and takes its steps for all.</summary>
internal static class WorkDivision
{
    /// <summary>How much more than its share the process with the most may have: messages are as long as if all had that much.</summary>
    private const double MostUneven = 1.25;

    /// <summary>Gives every parameter to the process that has the least so far, the largest first.</summary>
    /// <returns>The owners; null where that does not come out even, as with a single matrix or more processes than matrices: everybody does everything
    /// then.</returns>
    public static int[]? Of(int processes, IReadOnlyList<long> lengths)
    {
        var (loads, owners) = (new long[processes], new int[lengths.Count]);
        foreach (var place in Enumerable.Range(0, lengths.Count).OrderByDescending(place => lengths[place]))
        {
            owners[place] = Array.IndexOf(loads, loads.Min());
            loads[owners[place]] += lengths[place];
        }

        return processes == 1 || loads.Max() * processes > MostUneven * loads.Sum() ? null : owners;
    }
}
