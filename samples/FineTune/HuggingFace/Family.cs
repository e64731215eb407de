using LanguageModel;
using LanguageModel.Model;

namespace FineTune.HuggingFace;

/// <summary>Models that are made alike, under the names that their files give to them.</summary>
internal abstract class Family
{
    private static readonly Family[] All = [new LlamaFamily(), new Gpt2Family()];

    /// <value>The architectures, as <c>config.json</c> names them.</value>
    public abstract IReadOnlyList<string> Architectures { get; }

    /// <value>Whether the files have matrices as in × out, where TorchSharp has out × in.</value>
    public virtual bool StoresTransposed => false;

    /// <summary>The family that a model belongs to.</summary>
    /// <exception cref="UserException">It belongs to none; the message names the architectures that can be read. Or it is quantized.</exception>
    public static Family Of(ModelConfig config)
    {
        var known = Array.Find(All, family => family.Architectures.Contains(config.Architecture)) ?? throw new UserException(
            $"A {config.Architecture} cannot be read. What can be: {string.Join(", ", All.SelectMany(family => family.Architectures))}.");
        var quantization = config.Part("quantization_config");
        config.Require(quantization is null, $"says that the weights are quantized ({quantization?.Word("quant_method") ?? "quantization_config"}), "
            + "which cannot be read: take the model that it was made from");
        return known;
    }

    /// <summary>Tokens that a model of these sizes knows, and how many of them it reads at once; null where there is no limit.</summary>
    public abstract (int Vocabulary, int? Positions) Limits(ModelConfig config);

    /// <summary>A model of these sizes, not yet with its weights.</summary>
    public abstract CausalLanguageModel Create(ModelConfig config);

    /// <summary>The parameters of a model of these sizes, without the model: sizes of a damaged file can be of any number.</summary>
    public abstract IEnumerable<(string Name, long[] Shape)> Shapes(ModelConfig config);

    /// <summary>The parameter of the model that a tensor of the files is, and whether it is stored transposed.</summary>
    /// <returns>Null for a table that the model computes for itself.</returns>
    public abstract (string Parameter, bool IsTransposed)? ParameterOf(string tensor, ModelConfig config);
}
