namespace LanguageModel.Model;

/// <summary>The sizes of a GPT-2.</summary>
/// <remarks>Names and shapes as in Radford et al., Language Models are Unsupervised Multitask Learners, 2019. The defaults are those of the smallest
/// one.</remarks>
public sealed record Gpt2Config
{
    /// <value>Width of the residual stream, in features; a multiple of <see cref="Heads"/>.</value>
    public required int Hidden { get; init; }

    /// <value>Number of layers.</value>
    public required int Layers { get; init; }

    /// <value>Number of attention heads.</value>
    public required int Heads { get; init; }

    /// <value>Width inside the feed-forward part, in features. Default: four times <see cref="Hidden"/>.</value>
    public int Intermediate { get => field > 0 ? field : 4 * Hidden; init; }

    /// <value>Longest sequence, in tokens: each position has an embedding of its own. Default 1024.</value>
    public int Positions { get; init; } = 1024;

    /// <value>Number of tokens known. Default 50257.</value>
    public int Vocabulary { get; init; } = 50_257;

    /// <value>Added to the variance under the norms' root. Default 1e-5.</value>
    public double NormEpsilon { get; init; } = 1e-5;

    /// <value>Standard deviation of the initial weights. Default 0.02.</value>
    public double InitialDeviation { get; init; } = 0.02;

    /// <value>All parameters by their names, matrices as out × in: tables, of each layer attention, feed-forward part and norms, and a last norm. One after the
    /// other, as they are asked for.</value>
    public IEnumerable<(string Name, long[] Shape)> Shapes
    {
        get
        {
            yield return ("transformer.wte.weight", [Vocabulary, Hidden]);
            yield return ("transformer.wpe.weight", [Positions, Hidden]);
            foreach (var shape in Enumerable.Range(0, Layers).SelectMany(ShapesOfLayer))
                yield return shape;
            foreach (var shape in ShapesOfNorm("transformer.ln_f"))
                yield return shape;
        }
    }

    private IEnumerable<(string Name, long[] Shape)> ShapesOfLayer(int layer)
    {
        var name = $"transformer.h.{layer}";
        return
        [
            .. ShapesOfNorm($"{name}.ln_1"),
            .. LinearShapes.Of($"{name}.attn.c_attn", 3L * Hidden, Hidden),
            .. LinearShapes.Of($"{name}.attn.c_proj", Hidden, Hidden),
            .. ShapesOfNorm($"{name}.ln_2"),
            .. LinearShapes.Of($"{name}.mlp.c_fc", Intermediate, Hidden),
            .. LinearShapes.Of($"{name}.mlp.c_proj", Hidden, Intermediate),
        ];
    }

    private IEnumerable<(string Name, long[] Shape)> ShapesOfNorm(string name) => [($"{name}.weight", [Hidden]), ($"{name}.bias", [Hidden])];
}
