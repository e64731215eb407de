using System.Text;
using System.Text.Json;
using LowRankTraining.Text;

namespace LowRankTraining.Checkpoints;

/// <summary>Which tensors a header describes, and where. What it says stays in the header and is read when it is asked for: the index of very many tensors is
/// smaller than the header itself.</summary>
internal sealed class TensorIndex
{
    /// <summary>Bytes that the description of a tensor takes in a header, at the least: <c>"":{"dtype":"I8","shape":[],"data_offsets":[0,1]}</c>.</summary>
    private const int Shortest = 50;

    private readonly byte[] _header;

    /// <summary>In the order of the values.</summary>
    private readonly List<Place> _places;

    /// <summary>Of the names, sorted, and which place each belongs to.</summary>
    private readonly ulong[] _hashes;
    private readonly int[] _ofHash;

    /// <summary>Of the values, in their order; nothing as long as no manifest is known.</summary>
    private ulong[] _checksums = [];

    /// <summary>Reads all descriptions of a header, each in one pass and without making anything of it but its place.</summary>
    /// <exception cref="InvalidDataException">One is damaged, or a name stands there twice.</exception>
    public TensorIndex(byte[] header)
    {
        (_header, _places) = (header, new(Math.Min(header.AsSpan().Count("\"data_offsets\""u8), header.Length / Shortest)));
        ReadPlaces();
        (_hashes, _ofHash) = (new ulong[Count], new int[Count]);
        SortNames();
    }

    /// <summary>Where a tensor is, counted from the end of the header.</summary>
    /// <param name="Dtype">safetensors' name of its dtype.</param>
    /// <param name="Shape">Its shape.</param>
    /// <param name="Begin">Its first byte.</param>
    /// <param name="End">The byte behind it.</param>
    /// <param name="Checksum">XXH3 of its values; null where it is not known.</param>
    public sealed record Entry(string Dtype, long[] Shape, long Begin, long End, ulong? Checksum)
    {
        /// <value>Its dtype, null where TorchSharp has none.</value>
        public ScalarType? Type => SafeTensorsTypes.TypeOf(Dtype);
    }

    public int Count => _places.Count;

    /// <value>What stands beside the tensors, if anything.</value>
    public JsonView? Texts { get; private set; }

    /// <value>The tensors' names, in the order in which their values lie in the file.</value>
    public IEnumerable<string> Names => _places.Select(NameOf);

    /// <exception cref="KeyNotFoundException">There is no tensor of this name.</exception>
    public Entry this[string name]
    {
        get
        {
            var index = IndexOf(Encoding.UTF8.GetBytes(name)) ?? throw new KeyNotFoundException($"The file holds no tensor '{name}'.");
            var at = ReaderAt(_places[index]);
            var behind = _header.AsSpan(_places[index].Name + (int)at.BytesConsumed);
            var json = new Utf8JsonReader(behind[(behind.IndexOf((byte)':') + 1)..]);
            Span<long> shape = stackalloc long[TensorDescription.MostDimensions];
            var tensor = TensorDescription.Read(ref json, ref at, shape);
            return new(tensor.Dtype, shape[..tensor.Dimensions].ToArray(), tensor.Begin, tensor.End, _checksums.Length > 0 ? _checksums[index] : null);
        }
    }

    public bool Has(string name) => IndexOf(Encoding.UTF8.GetBytes(name)) is not null;

    /// <summary>Takes the checksum of every tensor, by its name.</summary>
    /// <param name="checksums">An object of them in which no key stands twice.</param>
    /// <exception cref="InvalidDataException">The tensors are not those that were written.</exception>
    public void TakeChecksums(JsonView checksums)
    {
        _checksums = new ulong[Count];
        var (taken, room) = (0, Array.Empty<byte>());
        foreach (var (name, checksum) in checksums.Entries)
        {
            var index = IndexOf(name.Utf8(ref room).Span) ?? throw new InvalidDataException($"'{name.Short()}' is missing.");
            if (checksum.Type != JsonTokenType.String || !HashingStream.TryParse(checksum.Json[1..^1], out _checksums[index]))
                throw new InvalidDataException($"its manifest holds no checksum of '{name.Short()}'.");
            taken++;
        }

        if (taken < Count)
            throw new InvalidDataException($"it holds '{Short(_places[Array.IndexOf(_checksums, 0UL)])}', which was not written with it.");
    }

    /// <summary>Checks that values follow on one another without a gap, as far as they are there.</summary>
    /// <param name="available">Bytes of values; null where that is not known.</param>
    /// <param name="isAll">Whether nothing but values is there.</param>
    /// <exception cref="InvalidDataException">They do not.</exception>
    public void RequireGapless(long? available, bool isAll)
    {
        var end = 0L;
        foreach (var place in _places)
        {
            if (place.Begin != end)
                throw new InvalidDataException($"'{Short(place)}' begins at byte {place.Begin} of the values, where {end} was expected.");
            end = place.End;
            if (end > available)
                throw new InvalidDataException(
                    $"it is not complete: '{Short(place)}' would take {end - place.Begin} bytes, and {available - place.Begin} are there.");
        }

        if (isAll && end != available)
            throw new InvalidDataException($"its tensors take {end} bytes, and {available} are there.");
    }

    /// <summary>What says that a key stands twice where it may stand once.</summary>
    public static InvalidDataException Twice(string path) => new($"it holds '{path}' twice.");

    private void ReadPlaces()
    {
        var json = new Utf8JsonReader(_header);
        if (!json.Read() || json.TokenType != JsonTokenType.StartObject)
            throw new InvalidDataException("its header is no JSON object.");
        var isInOrder = true;
        Span<long> shape = stackalloc long[TensorDescription.MostDimensions];
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
            if (json.ValueTextEquals(SafeTensorsHeader.MetadataKey))
                TakeTexts(ref json);
            else
            {
                var name = json;
                var tensor = TensorDescription.Read(ref json, ref name, shape);
                _places.Add(new(tensor.Begin, tensor.End, (int)name.TokenStartIndex));
                isInOrder &= Count < 2 || _places[^2].CompareTo(_places[^1]) < 0;
            }

        // Nothing follows the object.
        json.Read();
        if (!isInOrder)
            _places.Sort();
    }

    private void TakeTexts(ref Utf8JsonReader json)
    {
        if (Texts is not null)
            throw Twice(SafeTensorsHeader.MetadataKey);
        json.Read();
        var start = (int)json.TokenStartIndex;
        json.Skip();
        Texts = new(_header.AsMemory(start..(int)json.BytesConsumed));
    }

    private void SortNames()
    {
        var room = Array.Empty<byte>();
        for (var index = 0; index < Count; index++)
        {
            var name = ReaderAt(_places[index]);
            (_hashes[index], _ofHash[index]) = (JsonText.Hash(name.Utf8(ref room)), index);
        }

        Array.Sort(_hashes, _ofHash);
        for (var found = 1; found < Count; found++)
            if (_hashes[found] == _hashes[found - 1] && ReaderAt(_places[_ofHash[found]]) is var name && IndexOf(name.Utf8(ref room)) != _ofHash[found])
                throw Twice(JsonText.Short(name));
    }

    /// <summary>Where the tensor of a name is among all; null where there is none.</summary>
    private int? IndexOf(ReadOnlySpan<byte> name)
    {
        // Different names can have the same hash.
        var hash = JsonText.Hash(name);
        var found = Array.BinarySearch(_hashes, hash);
        while (found > 0 && _hashes[found - 1] == hash)
            found--;
        for (; found >= 0 && found < Count && _hashes[found] == hash; found++)
            if (ReaderAt(_places[_ofHash[found]]).ValueTextEquals(name))
                return _ofHash[found];
        return null;
    }

    private Utf8JsonReader ReaderAt(Place place) => JsonText.ReaderAt(_header, place.Name);

    private string NameOf(Place place) => ReaderAt(place).GetString()!;

    private string Short(Place place) => JsonText.Short(ReaderAt(place));

    /// <summary>Where values are, and where the header has the name of their tensor.</summary>
    private readonly record struct Place(long Begin, long End, int Name) : IComparable<Place>
    {
        public int CompareTo(Place other) => (Begin, End, Name).CompareTo((other.Begin, other.End, other.Name));
    }
}
