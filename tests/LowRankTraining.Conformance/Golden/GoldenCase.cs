using System.Globalization;
using System.Text.Json;

namespace LowRankTraining.Conformance.Golden;

/// <summary>One recorded case: what went in, what the authors' implementation gave, and how accurate that is.</summary>
/// <remarks>A safetensors file: 8 bytes little-endian header length, a JSON header, raw little-endian F32 or F64 values.</remarks>
public sealed class GoldenCase
{
    private readonly Dictionary<string, string> _metadata;
    private readonly Dictionary<string, GoldenTensor> _tensors = [];

    private GoldenCase(Dictionary<string, string> metadata) => _metadata = metadata;

    public string Name => _metadata["case"];

    public string Method => _metadata["method"];

    public IReadOnlyDictionary<string, GoldenTensor> Tensors => _tensors;

    /// <summary>Largest relative deviation allowed.</summary>
    public double Tolerance => Math.Max(10 * Number("sensitivity"), 1e-6);

    public GoldenTensor this[string tensor] => _tensors[tensor];

    public static GoldenCase Read(string path)
    {
        using var reader = new BinaryReader(File.OpenRead(path));
        var header = JsonDocument.Parse(reader.ReadBytes(checked((int)reader.ReadInt64()))).RootElement;
        var start = reader.BaseStream.Position;

        var result = new GoldenCase(header.GetProperty("__metadata__").EnumerateObject().ToDictionary(entry => entry.Name, entry => entry.Value.GetString()!));
        foreach (var entry in header.EnumerateObject().Where(entry => entry.Name != "__metadata__"))
        {
            var offsets = entry.Value.GetProperty("data_offsets");
            reader.BaseStream.Position = start + offsets[0].GetInt64();
            var bytes = reader.ReadBytes(checked((int)(offsets[1].GetInt64() - offsets[0].GetInt64())));
            var shape = entry.Value.GetProperty("shape").EnumerateArray().Select(size => size.GetInt64()).ToArray();
            result._tensors[entry.Name] = GoldenTensor.Decode(entry.Value.GetProperty("dtype").GetString()!, shape, bytes);
        }

        return result;
    }

    public bool Has(string key) => _metadata.TryGetValue(key, out var value) && value != "none";

    public string Text(string key) => _metadata[key];

    public double Number(string key) => double.Parse(_metadata[key], CultureInfo.InvariantCulture);

    public int Whole(string key) => int.Parse(_metadata[key], CultureInfo.InvariantCulture);

    public bool Flag(string key) => bool.Parse(_metadata[key]);
}

/// <summary>Recorded values, widened to double.</summary>
public sealed record GoldenTensor(long[] Shape, double[] Values)
{
    public static GoldenTensor Decode(string dtype, long[] shape, byte[] bytes) => new(shape, dtype switch
    {
        "F32" => [.. Enumerable.Range(0, bytes.Length / 4).Select(i => (double)BitConverter.ToSingle(bytes, 4 * i))],
        "F64" => [.. Enumerable.Range(0, bytes.Length / 8).Select(i => BitConverter.ToDouble(bytes, 8 * i))],
        _ => throw new InvalidDataException($"Golden files hold F32 and F64, not {dtype}."),
    });
}
