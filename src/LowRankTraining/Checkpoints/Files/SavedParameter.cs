using System.Text.Json;
using LowRankTraining.Text;

namespace LowRankTraining.Checkpoints;

/// <summary>A <see cref="ParameterManifest"/> where it stands in its file.</summary>
internal readonly struct SavedParameter
{
    private readonly JsonView _shape;

    /// <exception cref="InvalidDataException">Something is missing, or is not what it should be.</exception>
    public SavedParameter(JsonView json)
    {
        JsonView? name = null, shape = null, dtype = null, layout = null, slots = null, counters = null;
        foreach (var (key, value) in json.Entries)
            if (key.Is("name"u8))
                name = value;
            else if (key.Is("shape"u8))
                shape = value;
            else if (key.Is("dtype"u8) && value.Type != JsonTokenType.Null)
                dtype = value;
            else if (key.Is("layout"u8))
                layout = value;
            else if (key.Is("slots"u8))
                slots = value;
            else if (key.Is("counters"u8))
                counters = value;

        Name = SavedManifest.Require(name, JsonTokenType.String, nameof(name));
        Layout = SavedManifest.Require(layout, JsonTokenType.String, nameof(layout));
        Dtype = dtype is { } type ? SavedManifest.Require(type, JsonTokenType.String, nameof(dtype)).Short() : null;
        _shape = SavedManifest.Require(shape, JsonTokenType.StartArray, nameof(shape));
        ReadShape(stackalloc long[TensorDescription.MostDimensions]);
        Slots = SavedManifest.Require(slots, JsonTokenType.StartArray, nameof(slots));
        Counters = SavedManifest.Require(counters, JsonTokenType.StartObject, nameof(counters));
        foreach (var slot in Slots.Items)
            SavedManifest.Require(slot, JsonTokenType.String, nameof(slot));
        foreach (var (_, counter) in Counters.Entries)
            _ = counter.Int64;
    }

    public JsonView Name { get; }

    public long[] Shape
    {
        get
        {
            Span<long> shape = stackalloc long[TensorDescription.MostDimensions];
            return shape[..ReadShape(shape)].ToArray();
        }
    }

    public string? Dtype { get; }

    public JsonView Layout { get; }

    public JsonView Slots { get; }

    public JsonView Counters { get; }

    /// <returns>How many dimensions there are.</returns>
    private int ReadShape(Span<long> shape)
    {
        var count = 0;
        foreach (var size in _shape.Items)
            if (count == shape.Length)
                throw new InvalidDataException($"its manifest has a shape of more than {shape.Length} dimensions.");
            else
                shape[count++] = size.Int64;
        return count;
    }
}
