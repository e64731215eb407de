namespace TorchSharp;

/// <summary>Which .NET type stands for which element type.</summary>
internal static class Elements
{
    internal static torch.ScalarType TypeOf<T>() => TypeOf(typeof(T));

    internal static torch.ScalarType TypeOf(Type type)
    {
        if (type == typeof(float)) return torch.ScalarType.Float32;
        if (type == typeof(long)) return torch.ScalarType.Int64;
        if (type == typeof(double)) return torch.ScalarType.Float64;
        if (type == typeof(int)) return torch.ScalarType.Int32;
        if (type == typeof(bool)) return torch.ScalarType.Bool;
        if (type == typeof(byte)) return torch.ScalarType.Byte;
        if (type == typeof(sbyte)) return torch.ScalarType.Int8;
        if (type == typeof(short)) return torch.ScalarType.Int16;
        if (type == typeof(Half)) return torch.ScalarType.Float16;
        if (type == typeof(BFloat16)) return torch.ScalarType.BFloat16;
        if (type == typeof((float, float))) return torch.ScalarType.ComplexFloat32;
        if (type == typeof(System.Numerics.Complex)) return torch.ScalarType.ComplexFloat64;
        throw new ArgumentException($"No tensor has elements of the type {type.Name}.");
    }
}
