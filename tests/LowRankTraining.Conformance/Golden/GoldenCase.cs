using System.Globalization;
using LowRankTraining.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Golden;

/// <summary>One recorded case: what went in, what the authors' implementation gave, and how accurate that is.</summary>
/// <remarks>A safetensors file of F32 and F64 tensors; what was asked for is in its metadata.</remarks>
public sealed class GoldenCase
{
    private readonly IReadOnlyDictionary<string, string> _metadata;
    private readonly Dictionary<string, GoldenTensor> _tensors = [];

    private GoldenCase(IReadOnlyDictionary<string, string> metadata) => _metadata = metadata;

    public string Name => _metadata["case"];

    public string Method => _metadata["method"];

    public IReadOnlyDictionary<string, string> Metadata => _metadata;

    public IReadOnlyDictionary<string, GoldenTensor> Tensors => _tensors;

    /// <summary>Largest relative deviation allowed.</summary>
    public double Tolerance => Math.Max(10 * Number("sensitivity"), 1e-6);

    public GoldenTensor this[string tensor] => _tensors[tensor];

    public static GoldenCase Read(string path)
    {
        using var file = SafeTensorsFile.Open(path);
        var result = new GoldenCase(file.Metadata);
        foreach (var name in file.Names)
        {
            using var tensor = file.Read(name);
            result._tensors[name] = GoldenTensor.Of(tensor);
        }

        return result;
    }

    /// <summary>The tensors whose names begin with a prefix, without it, in the file's order.</summary>
    public IEnumerable<string> NamesAfter(string prefix) =>
        _tensors.Keys.Where(name => name.StartsWith(prefix, StringComparison.Ordinal)).Select(name => name[prefix.Length..]);

    public bool Has(string key) => _metadata.TryGetValue(key, out var value) && value != "none";

    public string Text(string key) => _metadata[key];

    public double Number(string key) => double.Parse(_metadata[key], CultureInfo.InvariantCulture);

    public int Whole(string key) => int.Parse(_metadata[key], CultureInfo.InvariantCulture);

    public bool Flag(string key) => bool.Parse(_metadata[key]);
}

/// <summary>Recorded values, widened to double.</summary>
public sealed record GoldenTensor(long[] Shape, double[] Values)
{
    public static GoldenTensor Of(Tensor tensor)
    {
        using var wide = tensor.to(ScalarType.Float64);
        return new(tensor.shape, wide.numel() == 0 ? [] : [.. wide.data<double>()]);
    }
}
