using LanguageModel.Data;
using LanguageModel.Methods;
using LanguageModel.Model;
using LanguageModel.Training;

namespace Compare.Runs;

/// <summary>Does a run, in this process.</summary>
internal static class TrainingRun
{
    /// <summary>Trains as <paramref name="request"/> says on <paramref name="corpus"/>.</summary>
    public static TrainingReport Execute(RunRequest request, TextCorpus corpus, Action<StepReport> stepped, CancellationToken interruption)
    {
        var options = request.TrainingOptions();
        var config = LlamaConfigs.Find(request.Model) with { Vocabulary = TextCorpus.Vocabulary };
        var data = new SingleText(corpus, options);

        var memory = new MemoryMeter(options.Device);
        using var model = Llama.Create(config, request.Seed, options.Device, Dtypes.Find(request.Dtype));
        using var method = AllMethods.Find(request.Method).AttachTo(model, request.MethodSettings());
        return new Trainer(model, method, data, options, memory) { Stepped = stepped }.Run(0, interruption);
    }
}
