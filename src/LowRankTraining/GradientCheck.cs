using LowRankTraining.Numerics;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining;

/// <summary>What a gradient is good for.</summary>
internal enum GradientVerdict { Usable, Zero, NonFinite }

/// <summary>Tells usable gradients from zero and non-finite ones by their largest magnitude.</summary>
internal static class GradientCheck
{
    private const int WorthSharing = 1 << 20;

    /// <summary>Reads one number back from the device.</summary>
    public static GradientVerdict Judge(Tensor evidence)
    {
        if (evidence.IsOnHost())
            return Of(LargestOnHost(evidence));

        using var largest = Largest(evidence);
        return Of(largest.ToSingle());
    }

    /// <summary>Reads one number per gradient back, all in one transfer.</summary>
    public static GradientVerdict[] JudgeAll(IReadOnlyList<Tensor> gradients)
    {
        using var scope = NewDisposeScope();
        var largest = stack(gradients.Select(Largest).ToArray()).cpu();
        return largest.data<float>().Select(Of).ToArray();
    }

    /// <summary>What the sum of two gradients is good for.</summary>
    public static GradientVerdict OfSum(GradientVerdict first, GradientVerdict second) =>
        first == GradientVerdict.NonFinite || second == GradientVerdict.NonFinite ? GradientVerdict.NonFinite
        : first == GradientVerdict.Zero ? second : GradientVerdict.Usable;

    private static Tensor Largest(Tensor evidence) => evidence.norm(float.PositiveInfinity).to(ScalarType.Float32);

    private static float LargestOnHost(Tensor evidence)
    {
        var length = (int)evidence.numel();
        if (length < WorthSharing)
            return Magnitudes.Largest(evidence.Floats());

        // Bits of magnitudes are ordered as the magnitudes are.
        var bits = 0;
        var gate = new object();
        HostMemory.ForRanges(length, multiple: 1, WorthSharing, (start, count) =>
        {
            var part = BitConverter.SingleToInt32Bits(Magnitudes.Largest(evidence.Floats().Slice(start, count)));
            lock (gate)
                bits = Math.Max(bits, part);
        });
        return BitConverter.Int32BitsToSingle(bits);
    }

    private static GradientVerdict Of(float largest) => largest switch
    {
        0 => GradientVerdict.Zero,
        _ when float.IsFinite(largest) => GradientVerdict.Usable,
        _ => GradientVerdict.NonFinite,
    };
}
