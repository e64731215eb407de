using LanguageModel;
using LanguageModel.Methods;
using LowRankTraining.Layers;

namespace FineTune.Training;

/// <summary>What is written at the end of a run.</summary>
/// <param name="Adapter">The factors, as PEFT's <c>adapter_model.safetensors</c>: LoRA and DoRA only.</param>
/// <param name="Merged">The whole model.</param>
internal sealed record Exports(bool Adapter, bool Merged)
{
    /// <value>What there is to choose from.</value>
    public const string Names = "adapter, merged, both";

    private bool IsAuto { get; init; }

    /// <summary>What <paramref name="name"/> stands for.</summary>
    /// <exception cref="UserException">It stands for nothing.</exception>
    public static Exports Find(string name) => name switch
    {
        "auto" => new(true, true) { IsAuto = true },
        "adapter" => new(true, false),
        "merged" => new(false, true),
        "both" => new(true, true),
        _ => throw new UserException($"There is nothing to write that is called '{name}'. Choose one of: auto, {Names}."),
    };

    /// <summary>What a method can give: <c>auto</c> is the adapter where there is one, else the model.</summary>
    /// <exception cref="UserException">An adapter is asked for, and the method has none.</exception>
    public Exports For(AttachedMethod method) => (IsAuto, HasFactors(method)) switch
    {
        (true, true) => new(true, false),
        (true, false) => new(false, true),
        (false, false) when Adapter => throw new UserException(
            "Only lora and dora end with an adapter; other methods change the weights themselves. Use --export merged."),
        _ => this,
    };

    private static bool HasFactors(AttachedMethod method) => method.Session is AdapterSession { Strategy: "lora" or "dora" };
}
