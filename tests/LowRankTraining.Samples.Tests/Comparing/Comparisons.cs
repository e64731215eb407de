using Compare;
using Compare.Runs;
using LanguageModel.Data;
using LanguageModel.Methods;
using LanguageModel.Training;

namespace LowRankTraining.Samples.Tests.Comparing;

/// <summary>Small comparisons.</summary>
internal static class Comparisons
{
    /// <summary>A comparison of the tiny model that takes moments.</summary>
    public static CompareSettings Settings(TemporaryFolder folder, params string[] methods) => new()
    {
        Methods = [.. methods.Select(AllMethods.Find)],
        Model = "tiny",
        Rank = 8,
        Tokens = 4 * 2 * 32,
        Batch = 2,
        Sequence = 32,
        Seeds = [42],
        LearningRates = new Dictionary<string, double>(),
        Dtype = "float32",
        Device = "cpu",
        Data = [folder.Write("text.txt", string.Concat(Enumerable.Range(0, 2000).Select(number => $"The square of {number} is {number * number}.\n")))],
        EvaluationTokens = 64,
        Evaluations = 2,
        Out = Path.Combine(folder.Path, "out"),
        Command = "compare",
    };

    /// <summary>Runs each method in a process of its own.</summary>
    public static RunOutcome InProcesses(RunRequest request, TextCorpus corpus, Action<StepReport> stepped, CancellationToken interruption) =>
        RunProcess.Execute(OwnProgram.Start(RunWorker.Name), request, corpus, stepped, interruption);

    /// <summary>Gives a result at once, with a loss that tells the methods apart.</summary>
    public static RunOutcome Pretended(RunRequest request, double loss = 2) => RunOutcome.Of(request.Seed, Report(request, request.Steps, loss));

    /// <summary>What a run of <paramref name="steps"/> steps might report.</summary>
    public static TrainingReport Report(RunRequest request, long steps, double loss) => new()
    {
        Steps = steps,
        Completed = steps == request.Steps,
        ValidationLoss = steps == request.Steps ? loss : null,
        Training = [.. Enumerable.Range(1, (int)steps).Select(step => new LossPoint(step, loss))],
        Validation = [new LossPoint(request.EvaluateEvery, loss), new LossPoint(request.Steps, loss)],
        TokensPerSecond = 1000,
        Seconds = 1,
        StepMilliseconds = 3,
        ForwardMilliseconds = 1,
        BackwardMilliseconds = 1,
        OptimizerMilliseconds = 1,
        OptimizerMeanMilliseconds = 1,
        OptimizerStateBytes = 1000,
        PeakTensorBytes = 5000,
        PeakProcessBytes = 9000,
        SkippedUpdates = 0,
    };
}
