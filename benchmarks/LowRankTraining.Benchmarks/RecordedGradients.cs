using LanguageModel.Data;
using LanguageModel.Methods;
using LanguageModel.Model;
using LanguageModel.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Benchmarks;

/// <summary>Gradients of every projected matrix of a language model, recorded while it is trained by AdamW as the Pretrain sample does.</summary>
internal sealed class RecordedGradients : IDisposable
{
    private const long Seed = 42;
    private readonly Dictionary<long, IReadOnlyList<Tensor>> _bySteps = [];

    private RecordedGradients() { }

    /// <summary>The gradients of one step, always in the same order of matrices.</summary>
    public IReadOnlyList<Tensor> this[long step] => _bySteps[step];

    /// <summary>Trains the model on the default text with fixed seeds, and keeps the gradients of <paramref name="steps"/>.</summary>
    /// <param name="model">A configuration of the samples.</param>
    /// <param name="steps">Steps to record; the first step is 1.</param>
    public static RecordedGradients Of(string model, IReadOnlyCollection<long> steps)
    {
        var recorded = new RecordedGradients();
        using var llama = Llama.Create(LlamaConfigs.Find(model) with { Vocabulary = TextCorpus.Vocabulary }, Seed, CPU, ScalarType.Float32);
        var options = new TrainingOptions { Steps = steps.Max(), Batch = 8, Sequence = 256, Device = CPU, Seed = Seed, EvaluationTokens = 256 };
        var adamw = AllMethods.Find("adamw");
        using var method =
            adamw.AttachTo(llama,
                new MethodSettings { Steps = options.Steps, LearningRate = adamw.LearningRate, Warmup = options.Steps / 10, Rank = llama.Config.Hidden / 4 });

        new Trainer(llama, method, TextCorpus.Load([]), options)
        {
            Stepped = report =>
            {
                if (steps.Contains(report.Step))
                    recorded._bySteps[report.Step] = Projected(llama);
            },
        }.Run(firstStep: 0, CancellationToken.None);
        return recorded;
    }

    public void Dispose()
    {
        foreach (var gradient in _bySteps.Values.SelectMany(gradients => gradients))
            gradient.Dispose();
    }

    private static Tensor[] Projected(Llama model) =>
        [.. model.named_parameters()
            .Where(pair => pair.name.Contains("_proj", StringComparison.Ordinal))
            .Select(pair => pair.parameter.grad!.clone().DetachFromDisposeScope())];
}
