using TorchSharp;
using static TorchSharp.torch;

namespace LanguageModel.Model;

/// <summary>Turns pairs of features by an angle that grows with the position, so that attention sees distances.</summary>
/// <remarks>
/// <para>Feature i and feature i + d/2 of position p form a pair, turned by p · base^(−2i/d).</para>
/// <para>Source: Su et al., RoFormer, arXiv 2104.09864; pairs laid out as in the published LLaMA checkpoints.</para>
/// </remarks>
public sealed class RotaryPositions(long headDimension, double rotaryBase, RotaryScaling? scaling = null) : IDisposable
{
    private (long Length, ScalarType Type, string Device) made;
    private Tensor? cosines;
    private Tensor? signedSines;

    /// <summary>Turns the features of <paramref name="heads"/>.</summary>
    /// <param name="heads">(batch, position, head, feature).</param>
    /// <param name="from">The first of their positions.</param>
    public Tensor Turn(Tensor heads, long from = 0)
    {
        using var scope = NewDisposeScope();
        Prepare(from + heads.shape[1], heads.dtype, heads.device);

        // Rolling by half swaps the two of each pair; the sines carry the sign of the first.
        var partners = heads.roll(headDimension / 2, -1);
        return (heads * Here(cosines!)).addcmul(partners, Here(signedSines!), 1).MoveToOuterDisposeScope();

        Tensor Here(Tensor table) => table.narrow(0, from, heads.shape[1]);
    }

    /// <summary>Frees the tables.</summary>
    public void Dispose()
    {
        cosines?.Dispose();
        signedSines?.Dispose();
    }

    private void Prepare(long length, ScalarType type, Device device)
    {
        if (made.Length >= length && (made.Type, made.Device) == (type, device.ToString()))
            return;

        // A text that grows asks for one position more each time.
        if ((made.Type, made.Device) == (type, device.ToString()))
            length = Math.Max(length, made.Length * 2);
        Dispose();
        var half = headDimension / 2;
        var (cosine, sine) = (new float[length * headDimension], new float[length * headDimension]);
        for (var position = 0L; position < length; position++)
        {
            for (var feature = 0L; feature < half; feature++)
            {
                var angle = position * Frequency(feature);
                var first = position * headDimension + feature;
                cosine[first] = cosine[first + half] = (float)Math.Cos(angle);
                sine[first] = -(float)Math.Sin(angle);
                sine[first + half] = (float)Math.Sin(angle);
            }
        }

        cosines = Table(cosine, length, type, device);
        signedSines = Table(sine, length, type, device);
        made = (length, type, device.ToString());
    }

    private double Frequency(long feature)
    {
        var frequency = Math.Pow(rotaryBase, -2.0 * feature / headDimension);
        return scaling?.Of(frequency) ?? frequency;
    }

    private Tensor Table(float[] values, long length, ScalarType type, Device device)
    {
        using var scope = NewDisposeScope();
        return tensor(values, [length, 1, headDimension]).to(type, device).DetachFromDisposeScope();
    }
}
