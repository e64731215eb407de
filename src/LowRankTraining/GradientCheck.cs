namespace LowRankTraining;

/// <summary>What a gradient is good for.</summary>
internal enum GradientVerdict
{
    /// <summary>Anything.</summary>
    Usable,

    /// <summary>Finite, but what is squared and added up may not be: see <see cref="GradientCheck.InRange"/>.</summary>
    Huge,

    /// <summary>Nothing: it is zero throughout.</summary>
    Zero,

    /// <summary>Nothing: it holds NaN or infinity.</summary>
    NonFinite,
}

/// <summary>Tells usable gradients from zero and non-finite ones by their largest magnitude, over the whole range of their dtype.</summary>
internal static class GradientCheck
{
    private const int WorthSharing = 1 << 20;

    /// <summary>Whether a parameter has a gradient, of whatever numbers.</summary>
    public static bool HasGradient(this Tensor parameter)
    {
        using var gradient = parameter.grad;
        return gradient is not null;
    }

    /// <summary>Reads one number back from the device.</summary>
    public static GradientVerdict Judge(Tensor evidence)
    {
        if (HostNumbers.TryOpen(evidence, out var numbers))
            return Judge(numbers);

        using var largest = Largest(evidence);
        return Of(largest.ToDouble(), evidence.dtype);
    }

    /// <summary>The same of numbers in the processor's own memory.</summary>
    public static GradientVerdict Judge(in HostNumbers numbers) => Of(LargestOf(numbers), ScalarType.Float32);

    /// <summary>Reads one number per gradient back, all in one transfer, whichever devices a model is spread over.</summary>
    public static GradientVerdict[] JudgeAll(IReadOnlyList<Tensor> gradients)
    {
        using var scope = NewDisposeScope();
        var largest = stack([.. gradients.Select(gradient => Largest(gradient).to(gradients[0].device))]).cpu();
        return [.. largest.data<double>().Zip(gradients, (magnitude, gradient) => Of(magnitude, gradient.dtype))];
    }

    /// <summary>The norm of a gradient, over the whole range of its dtype.</summary>
    public static double NormOf(Tensor gradient)
    {
        using var scope = NewDisposeScope();
        var norm = gradient.Widened().norm().ToDouble();

        // Squares leave the range of float32 long before the numbers do.
        return norm is > 1e-15 and < 1e18 || gradient.dtype == ScalarType.Float64 ? norm : gradient.to(ScalarType.Float64).norm().ToDouble();
    }

    /// <summary>What the sum of two gradients is good for.</summary>
    public static GradientVerdict OfSum(GradientVerdict first, GradientVerdict second)
    {
        if (first == GradientVerdict.NonFinite || second == GradientVerdict.NonFinite)
            return GradientVerdict.NonFinite;
        if (first == GradientVerdict.Zero)
            return second;
        return first == GradientVerdict.Huge || second == GradientVerdict.Huge ? GradientVerdict.Huge : GradientVerdict.Usable;
    }

    /// <summary>A huge gradient, scaled so that it can be squared and added up: its direction is what a rule can go by, whatever its size. No number is read
    /// back.</summary>
    public static Tensor InRange(Tensor gradient)
    {
        using var scope = NewDisposeScope();
        var largest = gradient.norm(float.PositiveInfinity);
        return gradient.mul(largest.reciprocal().mul_(gradient.dtype.LargestSquared()).clamp_max_(1)).MoveToOuterDisposeScope();
    }

    private static Tensor Largest(Tensor evidence)
    {
        using var largest = evidence.numel() == 0 ? zeros(Array.Empty<long>(), device: evidence.device) : evidence.norm(float.PositiveInfinity);
        return largest.to(ScalarType.Float64, copy: true);
    }

    private static float LargestOf(in HostNumbers numbers) =>
        numbers.Length < WorthSharing ? numbers.Largest(0, numbers.Length) : LargestOf(numbers.Tensor, numbers.Length);

    private static float LargestOf(Tensor evidence, int length)
    {
        // Bits of magnitudes are ordered as the magnitudes are.
        var bits = 0;
        var gate = new object();
        HostMemory.ForRanges(length, multiple: 1, WorthSharing, (start, count) =>
        {
            HostNumbers.TryOpen(evidence, out var numbers);
            var part = BitConverter.SingleToInt32Bits(numbers.Largest(start, count));
            lock (gate)
                bits = Math.Max(bits, part);
        });
        return BitConverter.Int32BitsToSingle(bits);
    }

    private static GradientVerdict Of(double largest, ScalarType dtype) => largest switch
    {
        0 => GradientVerdict.Zero,
        _ when !double.IsFinite(largest) => GradientVerdict.NonFinite,
        _ when largest > dtype.LargestSquared() => GradientVerdict.Huge,
        _ => GradientVerdict.Usable,
    };
}
