using System.CommandLine;
using FineTune.Training;
using LanguageModel;
using LanguageModel.Training;

namespace FineTune;

/// <summary>Lets a model write on.</summary>
internal static class GenerateCommand
{
    /// <summary>The command.</summary>
    public static Command Create()
    {
        var model = new ModelOptions();
        Option<string> prompt = new("--prompt", "-p") { Description = "The text to go on from.", Required = true };
        Option<bool> asChat = new("--as-chat") { Description = "Take the prompt for what a user says, and answer it." };
        var chat = ModelOptions.Chat();
        Option<int> tokens = new("--tokens") { Description = "Tokens to write, at most.", DefaultValueFactory = _ => 100 };
        Option<double> temperature = new("--temperature")
        {
            Description = "Higher is more surprising; 0 takes the most likely token.",
            DefaultValueFactory = _ => 0,
        };
        Option<double> top = new("--top-p") { Description = "Draw from the fewest tokens that have this probability together.", DefaultValueFactory = _ => 1 };
        Option<long> seed = new("--seed") { Description = "Seed of the draws.", DefaultValueFactory = _ => 42 };
        var command = new Command("generate", "Continues a prompt.") { prompt, asChat, chat, tokens, temperature, top, seed };
        model.AddTo(command);
        command.SetAction(parsed =>
        {
            UserException.ThrowIfAny(
                parsed.GetValue(prompt) is "" && !parsed.GetValue(asChat) ? "--prompt is empty: give a text to go on from" : null,
                parsed.GetValue(tokens) >= 1 ? null : $"--tokens must be at least 1 (is {parsed.GetValue(tokens)})",
                parsed.GetValue(temperature) is >= 0 and < double.PositiveInfinity ? null
                    : $"--temperature must be at least 0 (is {parsed.GetValue(temperature)})",
                parsed.GetValue(top) is > 0 and <= 1 ? null : $"--top-p must be above 0, and at most 1 (is {parsed.GetValue(top)})");
            var text = ModelText.Of(model.Folder(parsed), parsed.GetValue(chat));
            var (pretrained, device) = model.Load(parsed);
            using var _ = pretrained;
            var asked = parsed.GetRequiredValue(prompt);
            var generation = new Generation(pretrained.Model, device)
            {
                Temperature = parsed.GetValue(temperature),
                TopP = parsed.GetValue(top),
                Seed = (ulong)parsed.GetValue(seed),
            };
            var start = text.Tokenizer.Encode(parsed.GetValue(asChat) ? text.Chat.Prompt([("user", asked)]) : asked);
            Console.WriteLine(text.Tokenizer.Decode(generation.Continue(start, parsed.GetValue(tokens), text.Ends)));
        });
        return command;
    }
}
