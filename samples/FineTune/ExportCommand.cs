using System.CommandLine;
using LanguageModel;

namespace FineTune;

/// <summary>Writes a model with an adapter folded in.</summary>
internal static class ExportCommand
{
    /// <summary>The command.</summary>
    public static Command Create()
    {
        var model = new ModelOptions();
        Option<string> target = new("--out", "-o") { Description = "Folder for the model.", Required = true };
        var command = new Command("export", "Merges an adapter into a model, and writes files that from_pretrained reads.") { target };
        model.AddTo(command);
        command.SetAction(parsed =>
        {
            var (pretrained, _) = model.Load(parsed);
            using var loaded = pretrained;
            var folder = parsed.GetRequiredValue(target);
            loaded.Save(folder);
            Console.WriteLine($"model for transformers: {folder}");
        });
        return command;
    }
}
