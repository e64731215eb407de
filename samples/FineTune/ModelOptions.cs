using System.CommandLine;
using FineTune.Data;
using FineTune.HuggingFace;
using LanguageModel.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace FineTune;

/// <summary>What every command that reads a model is told.</summary>
internal sealed class ModelOptions
{
    private readonly Option<string> model = new("--model", "-m")
    {
        Description = "Folder of the model: config.json, model.safetensors (one or several), its tokenizer.",
        Required = true,
    };

    private readonly Option<string?> adapter = new("--adapter") { Description = "Folder of a PEFT adapter to fold into the weights first [default: none]." };
    private readonly Option<string> dtype = new("--dtype")
    {
        Description = "Numbers to compute in: float32 or bfloat16.",
        DefaultValueFactory = _ => "float32",
    };

    private readonly Option<string> device = new("--device") { Description = "Where to compute: auto, cpu or cuda.", DefaultValueFactory = _ => "auto" };

    /// <value>How conversations are written.</value>
    public static Option<string?> Chat() => new("--chat")
    {
        Description = $"How conversations are written: {ChatFormat.Names} [default: by the tokenizer's special tokens].",
    };

    /// <summary>Adds them to a command.</summary>
    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { model, adapter, dtype, device })
            command.Add(option);
    }

    /// <summary>The model's folder.</summary>
    public string Folder(ParseResult parsed) => parsed.GetRequiredValue(model);

    /// <summary>The model that was asked for, adapter included, and where it is.</summary>
    public (PretrainedModel Model, Device Device) Load(ParseResult parsed)
    {
        var place = Devices.Find(parsed.GetRequiredValue(device));
        var loaded = PretrainedModel.Load(Folder(parsed), Dtypes.Find(parsed.GetRequiredValue(dtype)), place);
        if (parsed.GetValue(adapter) is { } folder)
            loaded.Merge(folder);
        return (loaded, place);
    }
}
