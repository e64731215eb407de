namespace LowRankTraining.Checkpoints;

/// <summary>A safetensors file: named tensors, and nothing that could be executed. Every file of the library is one.</summary>
/// <remarks>
/// <para>8 bytes little-endian length of the header; the header, JSON: for every tensor <c>dtype</c>, <c>shape</c> and <c>data_offsets</c>, and texts under
/// <c>__metadata__</c>; the values, raw, little-endian.</para>
/// <para>The whole header is checked when the file is opened. Values are read when they are asked for; those of a file that this library wrote, with a
/// manifest, are compared with their checksums then.</para>
/// </remarks>
public sealed class SafeTensorsFile : IDisposable
{
    private readonly Stream _stream;
    private readonly string _source;
    private readonly long? _start;
    private readonly SafeTensorsHeader _header;

    private SafeTensorsFile(Stream stream, string source, SafeTensorsHeader header) =>
        (_stream, _source, _header, _start) = (stream, source, header, stream.CanSeek ? stream.Position : null);

    /// <value>The tensors' names, in the order in which their values lie in the file.</value>
    public IEnumerable<string> Names => _header.Tensors.Names;

    /// <value>Texts that stand beside the tensors.</value>
    public IReadOnlyDictionary<string, string> Metadata => _header.Metadata;

    internal SavedManifest? Manifest => _header.Manifest;

    /// <summary>Opens a file and checks its header against its length.</summary>
    /// <exception cref="FileNotFoundException">There is none.</exception>
    /// <exception cref="InvalidDataException">It is not a safetensors file, or damaged.</exception>
    public static SafeTensorsFile Open(string path)
    {
        if (Directory.Exists(path))
            throw new FileNotFoundException($"'{path}' is a folder, and a file is to be read: give the path of a file in it.", path);
        var stream = FileInUse.Outlast(() => new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, 1 << 16));
        try
        {
            return Open(stream, $"'{path}'", stream.Length);
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <summary>Reads from a stream in which something else may follow. Tensors are then read in their order.</summary>
    internal static SafeTensorsFile Open(Stream stream, string source, long? length = null)
    {
        try
        {
            return new(stream, source, SafeTensorsHeader.Read(stream, length));
        }
        catch (Exception failure) when (SafeTensorsHeader.IsDamage(failure))
        {
            throw new InvalidDataException($"{source} is not a sound safetensors file: {failure.Message}", failure);
        }
    }

    /// <summary>Writes tensors, from whatever device, in the order given. The file appears when it is complete, in place of one that was there.</summary>
    /// <exception cref="ArgumentException">Two tensors of one name, or a name that is not free, or a dtype for which safetensors has no name, or a tensor
    /// without values, with sparse ones or with more than 64 dimensions; or metadata that hold null, or what this library writes about its own files; or names,
    /// shapes and metadata of more than 100 MB, which no reader takes. Nothing was written.</exception>
    public static void Write(string path, IReadOnlyList<(string Name, Tensor Tensor)> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(tensors);
        if (tensors.Any(pair => pair is (null, _) or (_, null or { IsInvalid: true })))
            throw new ArgumentException("A tensor, or the name of one, is null, or it was disposed. Nothing was written.", nameof(tensors));
        if (tensors.FirstOrDefault(pair => pair.Tensor is { is_sparse: true } or { device_type: DeviceType.META }).Name is { } empty)
            throw new ArgumentException($"'{empty}' is sparse, or on the meta device, where it has no values: give a dense tensor. Nothing was written.",
                nameof(tensors));
        SafeTensorsHeaderWriter.RequireForeign(metadata);
        TensorSource[] sources = [.. tensors.Select(pair => TensorSource.Of(pair.Name, pair.Tensor))];
        AtomicFile.Write(path, stream =>
        {
            SafeTensorsHeaderWriter.Write(stream, sources, metadata);
            WriteValues(stream, sources);
        });
    }

    /// <summary>Writes a file with a manifest, to which the checksums of the tensors are added.</summary>
    internal static void Write(string path, IReadOnlyList<TensorSource> tensors, CheckpointManifest manifest) =>
        AtomicFile.Write(path, stream => Write(stream, tensors, manifest));

    /// <summary>Writes tensors with a manifest, to which their checksums are added, to a stream.</summary>
    internal static void Write(Stream stream, IReadOnlyList<TensorSource> tensors, CheckpointManifest manifest)
    {
        var checksums = new Dictionary<string, string>();
        foreach (var tensor in tensors)
            checksums[tensor.Name] = tensor.Checksum();
        SafeTensorsHeaderWriter.Write(stream, tensors, manifest with { Checksums = checksums });
        WriteValues(stream, tensors);
    }

    /// <summary>Whether there is a tensor of this name.</summary>
    public bool Has(string name) => _header.Tensors.Has(name);

    /// <summary>The shape of a tensor.</summary>
    /// <exception cref="KeyNotFoundException">There is none of this name.</exception>
    public IReadOnlyList<long> ShapeOf(string name) => _header.Tensors[name].Shape;

    /// <summary>The dtype of a tensor.</summary>
    /// <exception cref="KeyNotFoundException">There is none of this name.</exception>
    /// <exception cref="InvalidDataException">It is one that TorchSharp does not have, such as F8_E4M3 or U32.</exception>
    public ScalarType TypeOf(string name) => TypeOf(name, _header.Tensors[name]);

    /// <summary>Reads a tensor to the CPU.</summary>
    /// <exception cref="KeyNotFoundException">There is none of this name.</exception>
    /// <exception cref="InvalidDataException">The file is shorter than it was, or the values are not those that were written; or the dtype is one that
    /// TorchSharp does not have.</exception>
    public Tensor Read(string name)
    {
        var entry = _header.Tensors[name];
        var type = TypeOf(name, entry);
        MoveTo(entry);
        using var stream = new HashingStream(_stream);
        var tensor = ReadFrom(stream, name, type, entry.Shape);
        if (entry.Checksum is not { } written || written == stream.Hash)
            return tensor;

        tensor.Dispose();
        throw new InvalidDataException($"{_source} is damaged: the values of '{name}' are not those that were written, their checksum differs.");
    }

    /// <summary>The bytes of a tensor as a stream that begins with them, when they have been read once and found sound.</summary>
    internal Stream Bytes(string name)
    {
        Read(name).Dispose();
        MoveTo(_header.Tensors[name]);
        return _stream;
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _stream.Dispose();

    private ScalarType TypeOf(string name, TensorIndex.Entry entry) => entry.Type
        ?? throw new InvalidDataException($"{_source}: '{name}' is of dtype {entry.Dtype}, which TorchSharp does not have. "
            + "Convert it where the file was made, to BF16 for example.");

    private static void WriteValues(Stream stream, IReadOnlyList<TensorSource> tensors)
    {
        foreach (var tensor in tensors)
            tensor.Write(stream);
    }

    private Tensor ReadFrom(Stream stream, string name, ScalarType type, long[] shape)
    {
        try
        {
            return TensorBytes.Read(stream, type, shape);
        }
        catch (EndOfStreamException end)
        {
            throw new InvalidDataException($"{_source} is not complete: it ends within '{name}'.", end);
        }
    }

    private void MoveTo(TensorIndex.Entry entry)
    {
        if (_start is { } start)
            _stream.Position = start + entry.Begin;
    }
}
