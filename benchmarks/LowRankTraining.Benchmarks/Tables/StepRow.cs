using System.Globalization;

namespace LowRankTraining.Benchmarks.Tables;

/// <summary>A row of the table of steps.</summary>
/// <param name="Optimizer">What was measured.</param>
/// <param name="Share">Time of a step, of AdamW's.</param>
/// <param name="Scratch">The most bytes during a step above its state, in units of the largest matrix.</param>
internal sealed record StepRow(string Optimizer, double Share, double Scratch)
{
    /// <summary>Reads BenchmarkDotNet's table, <c>benchmarks/results/Step.md</c> under <paramref name="root"/>.</summary>
    public static IReadOnlyList<StepRow> Read(string root)
    {
        var rows = File.ReadLines(Path.Combine(root, "benchmarks", "results", "Step.md")).Where(line => line.StartsWith('|'))
            .Select(line => line.Split('|').Select(cell => cell.Trim(' ', '*')).ToArray()).ToList();
        var (name, share, scratch) = (Column("Optimizer"), Column("Of AdamW's"), Column("Scratch"));
        return [.. rows.Skip(2).Select(row => new StepRow(row[name], Number(row[share]), Number(row[scratch])))];

        int Column(string head) => Array.IndexOf(rows[0], head);
    }

    private static double Number(string cell) => double.Parse(cell, CultureInfo.InvariantCulture);
}
