using System.CommandLine;

namespace FineTune;

/// <summary>The command line of this program.</summary>
internal static class FineTuneCommand
{
    /// <summary>The root command.</summary>
    public static RootCommand Create() => new("Fine-tunes a language model of Hugging Face, LLaMA's or GPT-2's kind, with the method of your choice.")
    {
        TrainCommand.Create(), EvaluateCommand.Create(), GenerateCommand.Create(), ExportCommand.Create(),
    };
}
