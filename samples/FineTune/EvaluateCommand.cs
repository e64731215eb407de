using System.CommandLine;
using FineTune.Data;
using FineTune.Training;
using LanguageModel;
using LanguageModel.CommandLine;
using LanguageModel.Training;

namespace FineTune;

/// <summary>Says how well a model knows some data.</summary>
internal static class EvaluateCommand
{
    /// <summary>The command.</summary>
    public static Command Create()
    {
        var model = new ModelOptions();
        Option<string[]> data = new("--data")
        {
            Description = "A .jsonl file, or text files or folders of them.",
            Required = true,
            AllowMultipleArgumentsPerToken = true,
        };
        var chat = ModelOptions.Chat();
        Option<int> batch = new("--batch") { Description = "Examples at a time.", DefaultValueFactory = _ => 8 };
        Option<int?> length = new("--seq") { Description = "Tokens of an example, at most [default: 512, or what the model reads]." };
        var command = new Command("evaluate", "Prints loss and perplexity of a model on data; where there are prompts, on the completions only.")
        {
            data, chat, batch, length,
        };
        model.AddTo(command);
        command.SetAction(parsed =>
        {
            UserException.ThrowIfAny(
                parsed.GetValue(batch) >= 1 ? null : $"--batch must be at least 1 (is {parsed.GetValue(batch)})",
                parsed.GetValue(length) is null or >= 2 ? null : $"--seq must be at least 2 (is {parsed.GetValue(length)})");
            var paths = parsed.GetRequiredValue(data);
            var examples = ModelText.Of(model.Folder(parsed), parsed.GetValue(chat)).Load(paths, paths, parsed.GetValue(length)).Evaluation;
            var (pretrained, device) = model.Load(parsed);
            using var _ = pretrained;
            using var interruption = new Interruption();
            var loss = Evaluation.Loss(pretrained.Model, ExampleBatches.InBatches(examples, parsed.GetValue(batch)), device, interruption: interruption.Token);
            Console.WriteLine($"{examples.Count} examples, {Describe.Count(examples.Sum(example => (double)example.Learned))} tokens: "
                + $"loss {Describe.Fixed(loss, 4)}, perplexity {Describe.Fixed(Math.Exp(loss), 3)}");
        });
        return command;
    }
}
