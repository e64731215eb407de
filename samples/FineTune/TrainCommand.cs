using System.CommandLine;
using FineTune.Training;
using LanguageModel;
using LanguageModel.CommandLine;
using LanguageModel.Training;
using LowRankTraining;
using LowRankTraining.Checkpoints;

namespace FineTune;

/// <summary>Trains a model.</summary>
internal static class TrainCommand
{
    private static readonly Option<string?> Model = new("--model", "-m")
    {
        Description = "Folder of the model: config.json, model.safetensors (one or several), its tokenizer.",
    };

    private static readonly Option<string> Method = new("--method")
    {
        Description = $"Training method: {FineTuneMethod.Plain}, {string.Join(", ", LowRankStrategies.All.Select(method => method.Name))}; "
            + """or one with options, such as '{ "Method": "fira", "Rank": 64, "States": "8bit" }'.""",
        DefaultValueFactory = _ => "lora",
    };

    private static readonly Option<string[]> Data = new("--data")
    {
        Description = "A .jsonl file (prompt and completion, or messages, or text on each line), or text files or folders of them.",
        AllowMultipleArgumentsPerToken = true,
    };

    private static readonly Option<string[]> Eval = new("--eval")
    {
        Description = "The same, to evaluate on [default: every twentieth example].",
        AllowMultipleArgumentsPerToken = true,
    };

    private static readonly Option<string?> Chat = ModelOptions.Chat();
    private static readonly Option<int> Rank = new("--rank", "-r") { Description = "Rank of the low-rank parts.", DefaultValueFactory = _ => 16 };
    private static readonly Option<double?> Alpha = new("--alpha")
    {
        Description = "Factor on the low-rank part; methods with factors, such as LoRA, divide it by the rank [default: the method's own].",
    };

    private static readonly Option<double?> LearningRate = new("--lr")
    {
        Description = "Largest learning rate [default: 2e-4 beside the weights, 5e-5 otherwise].",
    };

    private static readonly Option<double> Epochs = new("--epochs") { Description = "Passes over the data.", DefaultValueFactory = _ => 3 };
    private static readonly Option<long?> Steps = new("--steps") { Description = "Optimizer steps, instead of --epochs." };
    private static readonly Option<int> Batch = new("--batch") { Description = "Examples per step.", DefaultValueFactory = _ => 8 };
    private static readonly Option<int?> Length = new("--seq")
    {
        Description = "Tokens of an example, at most; longer ones are cut [default: 512, or what the model reads].",
    };

    private static readonly Option<double> Warmup = new("--warmup")
    {
        Description = "Share of the steps in which the learning rate rises from 0.",
        DefaultValueFactory = _ => 0.03,
    };

    private static readonly Option<double> WeightDecay = new("--weight-decay") { Description = "Decoupled weight decay.", DefaultValueFactory = _ => 0 };
    private static readonly Option<double?> Clip = new("--clip") { Description = "Largest norm of all gradients together [default: no limit]." };
    private static readonly Option<bool> CheckpointActivations = new("--checkpoint-activations")
    {
        Description = "Keep only the inputs of decoder layers, and compute the layers again in the backward pass: less memory, more time.",
    };

    private static readonly Option<string> Dtype = new("--dtype")
    {
        Description = "Numbers to train in: float32 or bfloat16.",
        DefaultValueFactory = _ => "float32",
    };

    private static readonly Option<long> Seed = new("--seed")
    {
        Description = "Seed of the order of examples and of the method.",
        DefaultValueFactory = _ => 42,
    };

    private static readonly Option<string> Export = new("--export")
    {
        Description = $"What to write at the end: {Exports.Names}, or auto: the adapter where there is one, else the merged model.",
        DefaultValueFactory = _ => "auto",
    };

    private static readonly Option<string> Out = new("--out", "-o")
    {
        Description = "Folder for settings, checkpoint, adapter and model.",
        DefaultValueFactory = _ => Path.Combine("runs", "finetune"),
    };

    private static readonly Option<bool> Resume = new("--resume")
    {
        Description = "Go on with the run in --out, exactly as if it had not stopped; its settings are those of its start.",
    };

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var command = new Command("train", "Trains a model on your data.")
        {
            ConfigFile.Option, Model, Method, Data, Eval, Chat, Rank, Alpha, LearningRate, Epochs, Steps, Batch, Length, Warmup, WeightDecay, Clip,
            CheckpointActivations, Dtype, SharedOptions.Device, Seed, Export, Out, Resume,
        };
        command.SetAction(Execute);
        return command;
    }

    private static int Execute(ParseResult parsed)
    {
        var (folder, resume) = (parsed.GetRequiredValue(Out), parsed.GetValue(Resume));
        var remembered = Path.Combine(folder, "settings.json");
        if (!resume && TrainingCheckpoint.Exists(folder))
            throw new UserException($"There is a run in {folder} already. Go on with it by --resume, or name another folder with --out.");
        if (resume && !(File.Exists(remembered) && TrainingCheckpoint.Exists(folder)))
            throw new UserException($"There is no run to go on with in {folder}. Name the folder of a run with --out, or leave out --resume to start one.");

        var settings = resume ? RunSettings.Read<FineTuneSettings>(remembered) : Settings(parsed);
        var run = new FineTuneRun(settings, folder, resume, Devices.Find(parsed.GetRequiredValue(SharedOptions.Device)), Console.Out);
        if (!resume)
            RunSettings.Write(remembered, settings);
        using var interruption = new Interruption();
        return run.Execute(Exports.Find(parsed.GetRequiredValue(Export)), interruption.Token).Completed ? 0 : SampleCommand.Interrupted;
    }

    private static FineTuneSettings Settings(ParseResult parsed)
    {
        var settings = new FineTuneSettings
        {
            Model = Path.GetFullPath(parsed.GetValue(Model) ?? throw new UserException("--model is missing: give the folder of the model to start from.")),
            Method = parsed.GetRequiredValue(Method),
            Data = [.. (parsed.GetValue(Data) ?? []).Select(Path.GetFullPath)],
            Eval = [.. (parsed.GetValue(Eval) ?? []).Select(Path.GetFullPath)],
            Chat = parsed.GetValue(Chat),
            Rank = parsed.GetValue(Rank),
            Alpha = parsed.GetValue(Alpha),
            Lr = parsed.GetValue(LearningRate),
            Epochs = parsed.GetValue(Epochs),
            Steps = parsed.GetValue(Steps),
            Batch = parsed.GetValue(Batch),
            Seq = parsed.GetValue(Length),
            Warmup = parsed.GetValue(Warmup),
            WeightDecay = parsed.GetValue(WeightDecay),
            Clip = parsed.GetValue(Clip),
            CheckpointActivations = parsed.GetValue(CheckpointActivations),
            Dtype = parsed.GetRequiredValue(Dtype),
            Seed = parsed.GetValue(Seed),
        };
        settings.Require();
        return settings;
    }
}
