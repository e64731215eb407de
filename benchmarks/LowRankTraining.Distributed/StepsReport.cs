using System.Globalization;

namespace LowRankTraining.Distributed;

/// <summary>What remains of the time on the wire where R is sent while the backward pass goes on.</summary>
internal static class StepsReport
{
    /// <summary>Measures on all processes.</summary>
    public static string Of(ICollective world, int rounds)
    {
        using Steps together = new(world), alone = new(null), whole = new(world, byAdamW: true);
        var times = new Dictionary<string, List<double[]>> { [Alone] = [], [InStep] = [], [InBackward] = [], [Whole] = [] };
        for (var round = 0; round < rounds; round++)
        {
            Time(Alone, () => alone.Take());

            // Each kind of step is told to its predecessor.
            together.Take(sendsInBackward: false);
            Time(InStep, () => together.Take(sendsInBackward: true));
            Time(InBackward, () => together.Take(sendsInBackward: true));
            Time(Whole, () => whole.Take());
        }

        var (none, late, early) = (Medians(Alone), Medians(InStep), Medians(InBackward));
        return string.Create(CultureInfo.InvariantCulture, $"""
            | a step of 60m; R: of GaLore of rank 64, Projected | ms | of it after the backward pass | bytes sent before that |
            |---|---|---|---|
            {Row(Alone, none)}
            {Row(InStep, late)}
            {Row(InBackward, early)}
            {Row(Whole, Medians(Whole))}

            Of what the exchange adds to a step {Hidden(0):P0} is hidden; of what it adds after the backward pass {Hidden(1):P0}.
            """);

        void Time(string what, Func<double[]> step)
        {
            world.Meet();
            times[what].Add(step());
        }

        double[] Medians(string what) => [.. Enumerable.Range(0, 3).Select(part => world.Median([.. times[what].Select(time => time[part])]))];

        double Hidden(int part) => (late[part] - early[part]) / (late[part] - none[part]);

        static string Row(string what, double[] times) => FormattableString.Invariant($"| {what} | {times[0]:0} | {times[1]:0} | {times[2]:P0} |");
    }

    private const string Alone = "nothing exchanged", InStep = "R sent in the step", InBackward = "R sent in the backward pass",
        Whole = "whole gradients, AdamW";
}
