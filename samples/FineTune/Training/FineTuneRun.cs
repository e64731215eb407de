using FineTune.Data;
using FineTune.HuggingFace;
using LanguageModel;
using LanguageModel.CommandLine;
using LanguageModel.Methods;
using LanguageModel.Training;
using LowRankTraining;
using LowRankTraining.Checkpoints;
using LowRankTraining.Layers;
using Spectre.Console;
using static TorchSharp.torch;

namespace FineTune.Training;

/// <summary>One run, from a folder of Hugging Face to another one.</summary>
internal sealed class FineTuneRun(FineTuneSettings settings, string folder, bool resume, Device device, TextWriter output)
{
    /// <value>The trained factors, as PEFT reads them.</value>
    public string AdapterFolder => Path.Combine(folder, "adapter");

    /// <value>The whole model, as <c>from_pretrained</c> reads it.</value>
    public string MergedFolder => Path.Combine(folder, "merged");

    /// <value>Called after every step with the steps done.</value>
    public Action<long>? Stepped { get; init; }

    /// <summary>Trains, writes what was asked for, and returns the report.</summary>
    /// <param name="exports">What to write at the end.</param>
    /// <param name="interruption">Stops after the step that runs.</param>
    public TrainingReport Execute(Exports exports, CancellationToken interruption)
    {
        var chosen = FineTuneMethod.Of(settings);
        var text = ModelText.Of(settings.Model, settings.Chat);
        var examples = text.Load(settings.Data, settings.Eval, settings.Seq);
        using var pretrained = PretrainedModel.Load(settings.Model, Dtypes.Find(settings.Dtype), device);
        pretrained.Model.CheckpointsActivations = settings.CheckpointActivations;
        var options = Options(examples.Training.Count, text.LengthOf(settings.Seq));
        using var method = FineTuneMethod.Attach(pretrained.Model, chosen, settings, options.Steps);
        exports = exports.For(method);

        var batches = new ExampleBatches(examples, options);
        var first = resume ? method.Load(folder) : 0;
        Introduce(pretrained, text, examples, options, first);
        var before = resume ? null : (double?)Evaluation.Loss(pretrained.Model, batches.Validation[0].Batches, device, interruption: interruption);
        if (before is { } start)
            output.WriteLine($"before training: evaluation loss {Describe.Fixed(start, 4)}, perplexity {Describe.Fixed(Math.Exp(start), 3)}");

        var report = TrainingDisplay.Show(AnsiConsole.Console, method.Session?.Strategy ?? settings.Method, first, options.Steps, display =>
            new Trainer(pretrained.Model, method, batches, options)
            {
                Stepped = step =>
                {
                    display.Stepped(step);
                    Stepped?.Invoke(step.Step);
                },
                Validated = display.Validated,
                Save = _ => method.Save(folder),
            }.Run(first, interruption));
        if (report is { HasDiverged: true, ValidationLoss: { } loss })
            throw new UserException($"The evaluation loss is {Describe.Fixed(loss, 4)} after step {report.Steps}: the model has come apart, and nothing is "
                + "written of it but the checkpoint. Start again with a smaller --lr.");
        if (report.Completed)
            Export(exports, pretrained, method);
        Conclude(report);
        return report;
    }

    private TrainingOptions Options(int examples, int length)
    {
        var steps = settings.Steps ?? Math.Max(1, (long)Math.Ceiling(settings.Epochs * examples / settings.Batch));
        return new()
        {
            Steps = steps,
            Batch = settings.Batch,
            Sequence = length,
            Device = device,
            Seed = settings.Seed,
            ClipNorm = settings.Clip,
            EvaluateEvery = Math.Max(1, steps / 5),
        };
    }

    /// <summary>Factors are written while they are apart from the weights, the model when they are not.</summary>
    private void Export(Exports exports, PretrainedModel pretrained, AttachedMethod method)
    {
        if (exports.Adapter && method.Session is AdapterSession session)
        {
            PeftAdapter.Save(AdapterFolder, session, baseModel: Path.GetFullPath(settings.Model), taskType: "CAUSAL_LM", pretrained.Family.StoresTransposed);
            output.WriteLine($"adapter for PEFT: {AdapterFolder}");
        }

        if (!exports.Merged)
            return;

        method.Finish();
        pretrained.Save(MergedFolder);
        output.WriteLine($"model for transformers: {MergedFolder}");
    }

    private void Introduce(PretrainedModel pretrained, ModelText text, ExampleSet examples, TrainingOptions options, long first)
    {
        var parameters = Describe.Count(pretrained.Model.parameters().Sum(parameter => (double)parameter.numel()));
        output.WriteLine($"{pretrained.Config.Architecture}, {parameters} parameters in {settings.Dtype} on {device.type.ToString().ToLowerInvariant()}");
        output.WriteLine($"{text.Tokenizer.Source}: {Describe.Count(text.Tokenizer.Size)} tokens");
        output.WriteLine($"{examples.Training.Count} examples to train on, {examples.Evaluation.Count} to evaluate on");
        output.WriteLine($"{settings.MethodAndRank}: {options.Steps} steps of {options.Batch}");
        foreach (var note in examples.Notes)
            output.WriteLine(note);
        if (resume)
            output.WriteLine($"Going on after step {first} of {options.Steps}");
    }

    private void Conclude(TrainingReport report)
    {
        output.WriteLine(report is { ValidationLoss: { } loss, Perplexity: { } perplexity }
            ? $"after step {report.Steps}: evaluation loss {Describe.Fixed(loss, 4)}, perplexity {Describe.Fixed(perplexity, 3)}"
            : $"Stopped after step {report.Steps}. Go on with: finetune train --resume --out {folder}");
        output.WriteLine($"{Describe.Count(report.TokensPerSecond)} tokens/s; optimizer state {Describe.Bytes(report.OptimizerStateBytes)}; "
            + $"peak memory {Describe.PeakMemory(report)}");
    }
}
