using System.CommandLine;
using LanguageModel;
using LanguageModel.CommandLine;
using LanguageModel.Data;
using LanguageModel.Methods;
using LanguageModel.Model;
using LanguageModel.Tokens;
using LowRankTraining.Mpi;
using TorchSharp;
using static LanguageModel.CommandLine.SharedOptions;

namespace Pretrain;

/// <summary>The command line of this program.</summary>
internal static class PretrainCommand
{
    private static readonly Option<string> Strategy =
        new("--strategy", "-s") { Description = $"Training method: {Names(AllMethods.List, method => method.Name)}.", DefaultValueFactory = _ => "galore" };
    private static readonly Option<string> Model =
        new("--model", "-m") { Description = $"Model size: {Names(LlamaConfigs.All, config => config.Name)}.", DefaultValueFactory = _ => "9m" };
    private static readonly Option<long> Steps = new("--steps") { Description = "Optimizer steps of the whole run.", DefaultValueFactory = _ => 1000 };
    private static readonly Option<int> Batch = new("--batch") { Description = "Sequences per step.", DefaultValueFactory = _ => 8 };
    private static readonly Option<int> Sequence = new("--seq") { Description = "Tokens per sequence.", DefaultValueFactory = _ => 256 };
    private static readonly Option<double?> LearningRate = new("--lr") { Description = "Largest learning rate [default: the method's own]." };
    private static readonly Option<long?> Warmup =
        new("--warmup") { Description = "Steps in which the learning rate rises from 0 [default: a tenth of the steps]." };
    private static readonly Option<double?> Scale = new("--scale") { Description = "Factor on the low-rank part [default: the method's own]." };
    private static readonly Option<long?> RefreshEvery =
        new("--refresh-every") { Description = "Steps between new subspaces (methods that project) [default: the method's own]." };
    private static readonly Option<double?> Clip =
        new("--clip") { Description = "Largest norm of all gradients together; longer ones are scaled down [default: no limit]." };
    private static readonly Option<string> Gradients =
        new("--gradients") { Description = "How gradients are held: whole, projected or stepped (docs/gradients.md).", DefaultValueFactory = _ => "whole" };
    private static readonly Option<int> GradAccum =
        new("--grad-accum") { Description = "Batches whose gradients are added up in a step.", DefaultValueFactory = _ => 1 };
    private static readonly Option<bool> CheckpointActivations =
        new("--checkpoint-activations") { Description = "Keep only the inputs of decoder layers, and compute the layers again in the backward pass: less "
            + "memory, more time, the same losses." };
    private static readonly Option<bool> KeepRemainders =
        new("--keep-remainders") { Description = "Keep the 8 bits that bfloat16 weights lose by rounding (methods that leave the model as it is)." };
    private static readonly Option<double> WeightDecay = new("--weight-decay") { Description = "Decoupled weight decay.", DefaultValueFactory = _ => 0 };
    private static readonly Option<string> Tokenizer =
        new("--tokenizer") { Description = $"What a token is: {Names(CorpusTokenizer.Names, name => name)}.", DefaultValueFactory = _ =>
            CorpusTokenizer.Names[0] };
    private static readonly Option<int?> Threads = new("--threads") { Description = "Threads to compute with [default: one for each core]." };
    private static readonly Option<bool> EvalOnly = new("--eval-only") { Description = "Validate the run in --out, and do not train." };
    private static readonly Option<string?> Generate = new("--generate") { Description = "Continue this text with the run in --out, and do not train." };
    private static readonly Option<long> Seed = new("--seed") { Description = "Seed of weights, batches and method.", DefaultValueFactory = _ => 42 };
    private static readonly Option<string[]> Data =
        new("--data") { Description = "Text files, or folders of .txt and .md files [default: the API documentation of the .NET SDK]; or several sources to "
            + "mix, each as NAME=PATH.", AllowMultipleArgumentsPerToken = true };
    private static readonly Option<string?> Mix =
        new("--mix") { Description = $"How named sources are mixed: {string.Join(", ", Mixers.Names)} [default: {Mixers.Alignment}]." };
    private static readonly Option<string?> Target = new("--target") { Description = "The named source whose loss is to fall [default: all]." };
    private static readonly Option<long?> EvaluateEvery = new("--eval-every") { Description = "Steps between validations [default: a tenth of the steps]." };
    private static readonly Option<long?> SaveEvery =
        new("--save-every") { Description = "Steps between checkpoints [default: only at the end, and on Ctrl-C]." };
    private static readonly Option<string?> Out = new("--out", "-o") { Description = "Folder for settings and checkpoints [default: a new one under runs/]." };
    private static readonly Option<bool> Resume =
        new("--resume") { Description = "Go on with the run in --out, exactly as if it had not stopped, with the settings that it was started with." };
    private static readonly Option<bool> Json =
        new("--json") { Description = "End with one line of JSON on standard output; progress goes to standard error." };

    /// <summary>The root command.</summary>
    public static RootCommand Create(MpiWorld world)
    {
        var command = new RootCommand("Trains a LLaMA-style language model on text, with the method of your choice.")
        {
            ConfigFile.Option, Strategy, Model, Rank, Steps, Batch, Sequence, LearningRate, Warmup, WeightDecay, Clip, Scale, RefreshEvery, MergeEvery,
            WarmStart, Base, Gradients, GradAccum, CheckpointActivations, KeepRemainders, Dtype, Device, Threads, Seed, Data, Tokenizer, Mix, Target,
            EvaluateEvery, SaveEvery, Out, Resume, EvalOnly, Generate, Json,
        };
        command.SetAction(parsed => Execute(Request(parsed), world));
        return command;
    }

    private static int Execute(PretrainRequest request, MpiWorld world)
    {
        if (request.Threads is { } threads)
            torch.set_num_threads(threads >= 1 ? threads : throw new UserException($"--threads must be at least 1 (is {threads})."));
        return request.EvalOnly || request.Generate is not null ? new SavedRun(request, world).Execute() : new PretrainRun(request, world).Execute();
    }

    private static PretrainRequest Request(ParseResult parsed) => new()
    {
        Settings = Settings(parsed),
        Given = parsed.CommandResult.Command.Options.Where(option => parsed.GetResult(option) is { Implicit: false }).Select(option => option.Name).ToHashSet(),
        Device = parsed.GetRequiredValue(Device),
        EvaluateEvery = parsed.GetValue(EvaluateEvery),
        SaveEvery = parsed.GetValue(SaveEvery),
        Out = parsed.GetValue(Out),
        Resume = parsed.GetValue(Resume),
        Json = parsed.GetValue(Json),
        Threads = parsed.GetValue(Threads),
        EvalOnly = parsed.GetValue(EvalOnly),
        Generate = parsed.GetValue(Generate),
    };

    private static PretrainSettings Settings(ParseResult parsed)
    {
        var method = AllMethods.Find(parsed.GetRequiredValue(Strategy));
        var model = LlamaConfigs.Find(parsed.GetRequiredValue(Model));
        var steps = parsed.GetValue(Steps);
        var data = NamedData.WithFullPaths(parsed.GetValue(Data) ?? []);
        return new PretrainSettings
        {
            Strategy = method.Name,
            Model = model.Name,
            Rank = parsed.GetValue(Rank) ?? model.Hidden / 4,
            Steps = steps,
            Batch = parsed.GetValue(Batch),
            Seq = parsed.GetValue(Sequence),
            Lr = parsed.GetValue(LearningRate) ?? method.LearningRate,
            Warmup = parsed.GetValue(Warmup) ?? steps / 10,
            WeightDecay = parsed.GetValue(WeightDecay),
            Tokenizer = CorpusTokenizer.Find(parsed.GetRequiredValue(Tokenizer)).Name,
            Scale = parsed.GetValue(Scale),
            RefreshEvery = parsed.GetValue(RefreshEvery),
            MergeEvery = parsed.GetValue(MergeEvery),
            WarmStart = parsed.GetValue(WarmStart),
            Base = parsed.GetRequiredValue(Base),
            Clip = parsed.GetValue(Clip),
            Gradients = parsed.GetRequiredValue(Gradients).ToLowerInvariant(),
            GradAccum = parsed.GetRequiredValue(GradAccum),
            CheckpointActivations = parsed.GetValue(CheckpointActivations),
            KeepRemainders = parsed.GetValue(KeepRemainders),
            Dtype = parsed.GetRequiredValue(Dtype),
            Seed = parsed.GetValue(Seed),
            Data = data,
            Mix = parsed.GetValue(Mix) ?? (NamedData.Parse(data) is null ? null : Mixers.Alignment),
            Target = parsed.GetValue(Target),
        };
    }

    private static string Names<T>(IEnumerable<T> items, Func<T, string> name) => string.Join(", ", items.Select(name));
}
