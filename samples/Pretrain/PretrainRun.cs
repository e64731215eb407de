using System.Text.Json;
using LanguageModel;
using LanguageModel.CommandLine;
using LanguageModel.Data;
using LanguageModel.Methods;
using LanguageModel.Model;
using LanguageModel.Tokens;
using LanguageModel.Training;
using LowRankTraining;
using LowRankTraining.Mpi;
using Spectre.Console;
using TorchSharp;
using static TorchSharp.torch;

namespace Pretrain;

/// <summary>One run, from its settings to its report.</summary>
/// <remarks>Of several processes the first one speaks and writes for all.</remarks>
internal sealed class PretrainRun(PretrainRequest request, MpiWorld world)
{
    private readonly IAnsiConsole console = !world.IsFirst
        ? AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(TextWriter.Null) })
        : request.Json
        ? AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) })
        : AnsiConsole.Console;

    /// <summary>Trains, and returns the exit code.</summary>
    public int Execute()
    {
        var folder = request.Resume ? RunFolder.Existing(request.Out, "leave out --resume to start one") : RunFolder.New(request.Out);
        var settings = request.Resume ? folder.ReadSettings() : request.Settings;
        if (request.Resume)
            SettingsCheck.SameRun(settings, request);
        SettingsCheck.Ranges(settings, request);
        if (settings.Batch < world.Size)
            throw new UserException($"--batch {settings.Batch} cannot be divided among {world.Size} processes: take at least as many sequences.");

        var (device, type) = (Shared(Devices.Find(request.Device)), Dtypes.Find(settings.Dtype));
        var texts = RunTexts.Load(settings);
        if (request.Resume)
            SettingsCheck.SameData(settings, texts.Hash, texts.Source);
        settings = settings with { DataHash = texts.Hash };

        var config = LlamaConfigs.Find(settings.Model) with { Vocabulary = CorpusTokenizer.Find(settings.Tokenizer).Vocabulary };
        var memory = new MemoryMeter(device);
        using var model = Llama.Create(config, settings.Seed, device, type);
        model.CheckpointsActivations = settings.CheckpointActivations;
        var told = MethodSettings(settings, world);
        using var method = AllMethods.Find(settings.Strategy).AttachTo(model, told);
        SettingsCheck.Effects(settings, told.Unasked);
        using var mixer = texts.Mixer(settings, model, method, world);
        var options = Options(settings, device);
        var data = texts.Data(mixer, options);
        var firstStep = request.Resume ? Resume(folder, method, data) : 0;

        Introduce(settings, model, texts, device, firstStep);
        if (world.IsFirst)
            folder.WriteSettings(settings);
        using var interruption = new Interruption();
        var report = TrainingDisplay.Show(console, settings.Strategy, firstStep, settings.Steps, display =>
            new Trainer(model, method, data, options, memory)
            {
                Stepped = display.Stepped,
                Validated = display.Validated,
                Mixed = display.Mixed,
                Save = step => data.Save(folder.Path, step, () => method.Save(folder.Path)),
            }.Run(firstStep, interruption.Token));
        if (report is { Completed: true, HasDiverged: false })
        {
            method.Finish();
            if (world.IsFirst)
                folder.SaveModel(model);
        }

        Conclude(folder, settings, report);
        return report.HasDiverged
            ? throw new UserException($"The model has come apart by step {report.Steps}, and is not saved: start again with a smaller --lr, or with --clip 1.")
            : report.Completed ? 0 : SampleCommand.Interrupted;
    }

    /// <summary>What a process takes of a machine that it shares with others: one GPU of several, or its share of the processors.</summary>
    private Device Shared(Device device)
    {
        if (world.LocalSize > 1 && Environment.GetEnvironmentVariable("OMP_NUM_THREADS") is null)
            set_num_threads(Math.Max(1, Environment.ProcessorCount / world.LocalSize));
        return device.type == DeviceType.CUDA ? new Device(DeviceType.CUDA, world.LocalRank % cuda.device_count()) : device;
    }

    /// <summary>What the method of a run is told.</summary>
    internal static MethodSettings MethodSettings(PretrainSettings settings, MpiWorld world) => new()
    {
        Steps = settings.Steps,
        LearningRate = settings.Lr,
        WeightDecay = settings.WeightDecay,
        Warmup = settings.Warmup,
        Rank = settings.Rank,
        Scale = settings.Scale,
        RefreshEvery = settings.RefreshEvery,
        MergeEvery = settings.MergeEvery,
        WarmStart = settings.WarmStart,
        Base = Bases.Find(settings.Base),
        Gradients = Enum.Parse<GradientFlow>(settings.Gradients, ignoreCase: true),
        KeepsRemainders = settings.KeepRemainders,
        Seed = settings.Seed,
        World = world,
    };

    private TrainingOptions Options(PretrainSettings settings, Device device) => new()
    {
        Steps = settings.Steps,
        Batch = settings.Batch,
        Sequence = settings.Seq,
        Device = device,
        Seed = settings.Seed,
        ClipNorm = settings.Clip,
        Accumulation = settings.GradAccum,
        EvaluateEvery = request.EvaluateEvery ?? Math.Max(1, settings.Steps / 10),
        SaveEvery = request.SaveEvery,
        World = world,
    };

    private static long Resume(RunFolder folder, AttachedMethod method, TrainingData data)
    {
        var completed = method.Load(folder.Path);
        data.Load(folder.Path, completed);
        return completed;
    }

    private void Introduce(PretrainSettings settings, Llama model, RunTexts texts, Device device, long firstStep)
    {
        Write($"{settings.Model} model, {Describe.Count(model.Config.Parameters)} parameters in {settings.Dtype} on "
            + device.type.ToString().ToLowerInvariant());
        Write($"{settings.Strategy}, rank {settings.Rank}, learning rate {settings.Lr}");
        if (world.Size > 1)
            Write($"{world.Size} processes, {world.LocalSize} of them on this machine");
        foreach (var line in texts.Lines())
            Write(line);
        if (request.Resume)
            Write($"Going on after step {firstStep} of {settings.Steps}");
    }

    private void Conclude(RunFolder folder, PretrainSettings settings, TrainingReport report)
    {
        if (report is { ValidationLoss: { } loss, Perplexity: { } perplexity })
        {
            Write($"validation loss {Describe.Fixed(loss, 4)}, perplexity {Describe.Fixed(perplexity, 3)} after step {report.Steps}");
        }
        else
        {
            Write($"Stopped after step {report.Steps} of {settings.Steps}. Go on with: dotnet run -c Release --project samples/Pretrain -- --resume --out "
                + $"{folder.Path}");
        }

        Write($"{Describe.Count(report.TokensPerSecond)} tokens/s; per step: forward {Describe.Significant(report.ForwardMilliseconds)} ms, "
            + $"backward {Describe.Significant(report.BackwardMilliseconds)} ms, optimizer {Describe.Significant(report.OptimizerMilliseconds)} ms");
        Write($"optimizer state {Describe.Bytes(report.OptimizerStateBytes)}; peak memory {Describe.PeakMemory(report)}");
        if (report.SkippedUpdates > 0)
            Write($"{report.SkippedUpdates} updates were left out, because their gradients were not finite: try a smaller --lr, or --clip 1");
        if (!report.HasDiverged)
            Write(report.Completed ? $"model saved as {folder.ModelFile}" : $"checkpoint saved in {folder.Path}");

        if (request.Json && world.IsFirst)
            Console.WriteLine(JsonSerializer.Serialize(new PretrainResult(settings, report), PretrainJson.OneLine));
    }

    private void Write(string line) => console.Profile.Out.Writer.WriteLine(line);
}
