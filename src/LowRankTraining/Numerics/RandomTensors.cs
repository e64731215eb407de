namespace LowRankTraining.Numerics;

/// <summary>Random numbers on any device, by a generator.</summary>
/// <remarks>TorchSharp's generators are of the CPU, whatever device they are made for, and libtorch takes those for tensors of the CPU alone. Elsewhere the
/// generator's next number names a stream of SplitMix64, whose words are found where they are needed, each from its place alone: the same ones on every
/// device, and nothing of the device's own generator, which is the program's, is used up.
/// Source: Steele, Lea and Flood, Fast splittable pseudorandom number generators, OOPSLA 2014; Box and Muller, 1958.</remarks>
internal static class RandomTensors
{
    private const long Golden = unchecked((long)0x9e3779b97f4a7c15), First = unchecked((long)0xbf58476d1ce4e5b9), Second = unchecked((long)0x94d049bb133111eb);

    /// <value>Whether a CPU draws as other devices do: so tests reach that on a machine that has none.</value>
    internal static bool IsByPlace { get; set; }

    /// <summary>The generator's next number, of 63 bits.</summary>
    public static long NextNumber(this Generator generator)
    {
        using var number = randint(long.MaxValue, [1], ScalarType.Int64, CPU, generator: generator);
        return number.item<long>();
    }

    /// <summary>Numbers from <paramref name="low"/> to <paramref name="high"/>.</summary>
    public static Tensor Uniform(this Generator generator, long[] shape, ScalarType dtype, Device device, double low = 0, double high = 1)
    {
        if (device.Draws())
            return empty(shape, dtype, device).uniform_(low, high, generator);

        using var scope = NewDisposeScope();
        var uniform = Fractions(generator, shape.Elements(), dtype.Computing(), device);
        return uniform.mul_(high - low).add_(low).to(dtype).reshape(shape).MoveToOuterDisposeScope();
    }

    /// <summary>Normal numbers around 0.</summary>
    public static Tensor Normal(this Generator generator, long[] shape, ScalarType dtype, Device device, double deviation = 1)
    {
        if (device.Draws())
            return empty(shape, dtype, device).normal_(0, deviation, generator);

        using var scope = NewDisposeScope();
        var (count, half) = (shape.Elements(), (shape.Elements() + 1) / 2);
        var uniform = Fractions(generator, 2 * half, dtype.Computing(), device);
        var radius = uniform.narrow(0, 0, half).neg().log1p_().mul_(-2).sqrt_().mul_(deviation);
        var angle = uniform.narrow(0, half, half).mul_(2 * Math.PI);
        var normal = cat([angle.cos().mul_(radius), angle.sin().mul_(radius)]).narrow(0, 0, count);
        return normal.to(dtype).reshape(shape).contiguous().MoveToOuterDisposeScope();
    }

    /// <summary>True with a probability, each by itself.</summary>
    public static Tensor Bernoulli(this Generator generator, long[] shape, Device device, double probability)
    {
        if (device.Draws())
            return empty(shape, ScalarType.Bool, device).bernoulli_(probability, generator);

        using var uniform = Fractions(generator, shape.Elements(), ScalarType.Float32, device);
        return uniform.lt(probability).reshape(shape);
    }

    /// <summary>−1 and 1, float32.</summary>
    public static Tensor Signs(this Generator generator, long count, Device device)
    {
        using var scope = NewDisposeScope();
        var bits = device.Draws()
            ? empty(count, ScalarType.Float32, device).random_(0, 2, generator)
            : Fractions(generator, count, ScalarType.Float32, device).mul_(2).floor_();
        return bits.mul_(2).sub_(1).MoveToOuterDisposeScope();
    }

    private static bool Draws(this Device device) => device.type is DeviceType.CPU or DeviceType.META && !IsByPlace;

    /// <summary>Numbers in [0, 1): multiples of 2⁻⁵³, or of 2⁻²⁴, from the upper ends of half as many words and then from their lower ends.</summary>
    private static Tensor Fractions(Generator generator, long count, ScalarType dtype, Device device)
    {
        using var scope = NewDisposeScope();
        var key = generator.NextNumber();
        var numbers = dtype == ScalarType.Float64
            ? Words(key, count, device).Bits(11, 53).to(dtype).mul_(Math.Pow(2, -53))
            : Halves(Words(key, (count + 1) / 2, device)).narrow(0, 0, count).mul_(Math.Pow(2, -24));
        return numbers.MoveToOuterDisposeScope();
    }

    private static Tensor Halves(Tensor words) => cat([words.Bits(40, 24).to(ScalarType.Float32), words.Bits(0, 24).to(ScalarType.Float32)]);

    /// <summary>Words 0, 1, … of a stream, 64 random bits each: those of <see cref="RandomKey.Mix"/> for key + k · the golden ratio.</summary>
    private static Tensor Words(long key, long count, Device device)
    {
        using var scope = NewDisposeScope();
        var z = arange(count, ScalarType.Int64, device).mul_(Golden).add_(unchecked(key + Golden));
        z.bitwise_xor_(z.Bits(30, 34)).mul_(First);
        z.bitwise_xor_(z.Bits(27, 37)).mul_(Second);
        return z.bitwise_xor_(z.Bits(31, 33)).MoveToOuterDisposeScope();
    }

    /// <summary>So many bits of each word, from one on.</summary>
    private static Tensor Bits(this Tensor words, int from, int count)
    {
        // A shift brings copies of the sign in from the left.
        using Tensor places = tensor((long)from, ScalarType.Int64, CPU), mask = tensor((1L << count) - 1, ScalarType.Int64, CPU);
        return words.bitwise_right_shift(places).bitwise_and_(mask);
    }
}
