using System.Diagnostics;
using TorchSharp;

namespace LowRankTraining.Benchmarks.Figures;

/// <summary><c>figures [--out FILE] [FAMILY...]</c>: measures what the library promises, as a table and as JSON.</summary>
internal static class FiguresCommand
{
    private static readonly (string Name, Func<IEnumerable<Figure>> Measure)[] Families =
    [
        ("state", StateFigures.Measure),
        ("scratch", ScratchFigures.Measure),
        ("energy", EnergyFigures.Measure),
        ("step", StepFigures.Measure),
        ("alone", AloneFigures.Measure),
        ("small", SmallFigures.Measure),
        ("overhead", OverheadFigures.Measure),
        ("stagger", StaggerFigures.Measure),
        ("refresh", RefreshFigures.Measure),
        ("training", TrainingFigures.Measure),
        ("flow", FlowFigures.Measure),
        ("flow-convolution", FlowConvolutionFigures.Measure),
        ("flow-training", FlowTrainingFigures.Measure),
        ("ahead", AheadFigures.Measure),
        ("spectrum", SpectrumFigures.Measure),
    ];

    /// <returns>0 whatever holds and whatever does not; 2 for arguments that mean nothing.</returns>
    public static int Run(string[] arguments)
    {
        var output = Path.Combine("artifacts", "figures.json");
        if (arguments is ["--out", var file, ..])
            (output, arguments) = (file, arguments[2..]);

        var unknown = arguments.Except(Families.Select(family => family.Name)).ToArray();
        if (unknown.Length > 0)
        {
            Console.Error.WriteLine(
                $"There are no figures '{string.Join(' ', unknown)}'. Choose some of: {string.Join(", ", Families.Select(family => family.Name))}.");
            return 2;
        }

        Console.WriteLine(
            $"{Environment.ProcessorCount} processors, {torch.get_num_threads()} threads, libtorch {torch.__version__}, .NET {Environment.Version}, float32");
        var start = Stopwatch.GetTimestamp();
        List<Figure> figures = [];
        foreach (var family in Families.Where(family => arguments.Length == 0 || arguments.Contains(family.Name)))
        {
            var measured = family.Measure().ToArray();
            FiguresTable.Write(family.Name, measured);
            figures.AddRange(measured);
        }

        FiguresFile.Write(output, figures);
        Console.WriteLine(
            $"\n{figures.Count(figure => figure.Holds == true)} of {figures.Count(figure => figure.Holds is not null)} targets hold; "
                + $"{Stopwatch.GetElapsedTime(start).TotalSeconds:F0} s. {output}");
        return 0;
    }
}
