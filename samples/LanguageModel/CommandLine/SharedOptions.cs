using System.CommandLine;
using LanguageModel.Methods;

namespace LanguageModel.CommandLine;

/// <summary>Options that several programs have, with one description.</summary>
public static class SharedOptions
{
    /// <value>Rank of the low-rank parts.</value>
    public static Option<int?> Rank { get; } =
        new("--rank", "-r") { Description = "Rank of the low-rank parts [default: a quarter of the model's width]." };

    /// <value>Steps between merges.</value>
    public static Option<long?> MergeEvery { get; } =
        new("--merge-every") { Description = "Steps between merges (relora) [default: a quarter of the steps]." };

    /// <value>Steps at full rank before the low-rank parts.</value>
    public static Option<long?> WarmStart { get; } =
        new("--warm-start") { Description = "Steps of full-rank training before the low-rank parts take over (relora) [default: 0]." };

    /// <value>How frozen weights are kept.</value>
    public static Option<string> Base { get; } =
        new("--base") { Description = $"How frozen weights are kept (relora, lora): {Bases.Names}.", DefaultValueFactory = _ => "dense" };

    /// <value>Numbers of the weights.</value>
    public static Option<string> Dtype { get; } =
        new("--dtype") { Description = "Numbers of the weights: float32 or bfloat16.", DefaultValueFactory = _ => "float32" };

    /// <value>Where to train.</value>
    public static Option<string> Device { get; } =
        new("--device") { Description = "Where to train: auto, cpu or cuda.", DefaultValueFactory = _ => "auto" };
}
