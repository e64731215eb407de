using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace LowRankTraining.Numerics;

/// <summary>Adam's arithmetic on numbers in the processor's own memory: one pass in place of eight.</summary>
/// <param name="Beta1">β₁.</param>
/// <param name="Share1">1 − β₁.</param>
/// <param name="Beta2">β₂.</param>
/// <param name="Share2">1 − β₂.</param>
/// <param name="Epsilon">ε′.</param>
/// <param name="Longest">The largest magnitude of an entry of N.</param>
internal readonly record struct SpanAdam(float Beta1, float Share1, float Beta2, float Share2, float Epsilon, float Longest)
{
    public SpanAdam(double beta1, double beta2, double epsilon, double longest)
        : this((float)beta1, (float)(1 - beta1), (float)beta2, (float)(1 - beta2), (float)epsilon, (float)longest) { }

    /// <summary>M ← β₁M + (1 − β₁)G; V ← β₂V + (1 − β₂)G²; N ← M / (√V + ε′). Entries of G beyond what can be squared are cut to that.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Advance(ReadOnlySpan<float> gradient, Span<float> mean, Span<float> square, Span<float> direction)
    {
        var g = Vectors(gradient);
        var m = Vectors(mean)[..g.Length];
        var v = Vectors(square)[..g.Length];
        var n = Vectors(direction)[..g.Length];
        var (beta1, share1, beta2, share2, epsilon) =
            (new Vector<float>(Beta1), new Vector<float>(Share1), new Vector<float>(Beta2), new Vector<float>(Share2), new Vector<float>(Epsilon));
        var (largest, longest) = (new Vector<float>(Precision.LargestSquaredSingle), new Vector<float>(Longest));
        for (var i = 0; i < g.Length; i++)
        {
            var gi = Vector.Min(Vector.Max(g[i], -largest), largest);
            var mi = m[i] * beta1 + gi * share1;
            var vi = v[i] * beta2 + gi * gi * share2;
            (m[i], v[i], n[i]) = (mi, vi, Vector.Min(Vector.Max(mi / (Vector.SquareRoot(vi) + epsilon), -longest), longest));
        }

        for (var i = g.Length * Vector<float>.Count; i < gradient.Length; i++)
        {
            var gi = Math.Clamp(gradient[i], -Precision.LargestSquaredSingle, Precision.LargestSquaredSingle);
            mean[i] = mean[i] * Beta1 + gi * Share1;
            square[i] = square[i] * Beta2 + gi * gi * Share2;
            direction[i] = Math.Clamp(mean[i] / (MathF.Sqrt(square[i]) + Epsilon), -Longest, Longest);
        }
    }

    private static Span<Vector<float>> Vectors(Span<float> x) => MemoryMarshal.Cast<float, Vector<float>>(x);

    private static ReadOnlySpan<Vector<float>> Vectors(ReadOnlySpan<float> x) => MemoryMarshal.Cast<float, Vector<float>>(x);
}
