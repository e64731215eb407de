using TorchSharp.Utils;

namespace TorchSharp;

// The layout: element type, number of dimensions, dimensions, all in 7-bit groups with the lowest first, then the bytes.
public static partial class TensorExtensionMethods
{
    public static void Save(this torch.Tensor tensor, BinaryWriter writer)
    {
        using var scope = torch.NewDisposeScope();
        using var guard = torch.no_grad();
        var local = tensor.cpu().contiguous();
        writer.Encode((long)local.dtype);
        writer.Encode(local.Dimensions);
        foreach (var size in local.shape) writer.Encode(size);
        writer.Flush();
        local.WriteBytesToStream(writer.BaseStream);
    }

    public static void Save(this torch.Tensor tensor, Stream stream)
    {
        using var writer = new BinaryWriter(stream, System.Text.Encoding.UTF8, leaveOpen: true);
        tensor.Save(writer);
    }

    public static void Save(this torch.Tensor tensor, string location)
    {
        using var stream = File.Create(location);
        tensor.Save(stream);
    }

    public static torch.Tensor Load(BinaryReader reader, bool skip = false)
    {
        var (type, shape) = ReadHead(reader);
        var tensor = torch.empty(shape, type, torch.CPU);
        tensor.ReadBytesFromStream(reader.BaseStream);
        return tensor;
    }

    /// <summary>Reads into an existing tensor of the same type and shape; with <paramref name="skip"/>, reads past it.</summary>
    public static void Load(this torch.Tensor tensor, BinaryReader reader, bool skip = false)
    {
        var (type, shape) = ReadHead(reader);
        if (!skip && (type != tensor.dtype || !shape.AsSpan().SequenceEqual(tensor.shape)))
        {
            throw new ArgumentException(
                $"The file holds a tensor of [{string.Join(", ", shape)}], {type}; this one is [{string.Join(", ", tensor.shape)}], {tensor.dtype}.");
        }

        using var scope = torch.NewDisposeScope();
        using var guard = torch.no_grad();
        var inPlace = !skip && tensor.device_type == DeviceType.CPU && tensor.is_contiguous();
        var target = inPlace ? tensor : torch.empty(shape, type, torch.CPU);
        target.ReadBytesFromStream(reader.BaseStream);
        if (!skip && !inPlace) tensor.copy_(target);
    }

    public static void Load(ref torch.Tensor tensor, BinaryReader reader, bool skip = false)
    {
        if (tensor is null) tensor = Load(reader, skip);
        else tensor.Load(reader, skip);
    }

    private static (torch.ScalarType Type, long[] Shape) ReadHead(BinaryReader reader)
    {
        var type = (torch.ScalarType)reader.Decode();
        var shape = new long[reader.Decode()];
        for (var d = 0; d < shape.Length; d++) shape[d] = reader.Decode();
        return (type, shape);
    }
}

public static partial class torch
{
    public static void save(Tensor t, string location) => t.save(location);
    public static Tensor load(string location) => Tensor.load(location);

    public partial class Tensor
    {
        public void save(string location) => this.Save(location);
        public static Tensor load(string location) => Load(location);

        public static Tensor Load(string location)
        {
            using var stream = File.OpenRead(location);
            return Load(stream);
        }

        public static Tensor Load(Stream stream)
        {
            using var reader = new BinaryReader(stream, System.Text.Encoding.UTF8, leaveOpen: true);
            return Load(reader);
        }

        public static Tensor Load(BinaryReader reader) => TensorExtensionMethods.Load(reader);
    }
}
