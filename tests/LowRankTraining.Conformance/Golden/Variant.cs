using System.Globalization;
using LowRankTraining.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Golden;

/// <summary>A case that was not recorded: another one in other names and shapes, or numbers from formulas.</summary>
internal sealed class Variant
{
    private Variant(IReadOnlyDictionary<string, string> metadata) => Metadata = new(metadata);

    public Dictionary<string, string> Metadata { get; }

    /// <value>In the order of the file.</value>
    public List<(string Name, GoldenTensor Tensor)> Tensors { get; } = [];

    /// <summary>A case without tensors, to be filled, with the metadata of a recorded one.</summary>
    public static Variant Like(GoldenCase golden) => new(golden.Metadata);

    public Variant With(string key, object value)
    {
        Metadata[key] = string.Create(CultureInfo.InvariantCulture, $"{value}");
        return this;
    }

    public Variant Add(string name, GoldenTensor tensor)
    {
        Tensors.Add((name, tensor));
        return this;
    }

    public Variant Add(string name, double[] values, params long[] shape) => Add(name, new GoldenTensor(shape.Length == 0 ? [values.Length] : shape, values));

    /// <summary>Makes a recorded number wrong by a hundredth of the largest one beside it, or a whole one by 1.</summary>
    public void Spoil(string name)
    {
        var values = Tensors.Single(entry => entry.Name == name).Tensor.Values;
        values[0] += values.All(double.IsInteger) ? 1 : 0.01 * values.Max(Math.Abs);
    }

    /// <summary>Writes the file, in float64, and reads it as the tests read theirs.</summary>
    public GoldenCase Through(string folder)
    {
        using var scope = NewDisposeScope();
        const string Name = "variant";
        var tensors = Tensors.Select(entry => (entry.Name, tensor(entry.Tensor.Values, ScalarType.Float64).reshape(entry.Tensor.Shape))).ToArray();
        SafeTensorsFile.Write(Path.Combine(folder, Name + ".safetensors"), tensors, Metadata);
        return new GoldenFolder(folder).Case(Name);
    }
}
