using LowRankTraining.Parts;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Rules;

/// <summary>Gradients that any language can recompute, and what tests do with them.</summary>
internal static class Recomputed
{
    /// <summary>rows × columns, float64: sin(t (k + 1)) + 0.1 (k mod 3) at entry k.</summary>
    public static Tensor Gradient(int t, int rows, int columns) =>
        tensor(Enumerable.Range(0, rows * columns).Select(k => Math.Sin(t * (k + 1) + 0.3) + 0.1 * (k % 3)).ToArray()).reshape(rows, columns);

    public static double[] Entries(Tensor tensor)
    {
        using var scope = NewDisposeScope();
        return [.. tensor.detach().to(ScalarType.Float64).contiguous().data<double>()];
    }

    public static void Update(UpdateRule rule, Tensor gradient, Tensor weight, double scale, StateBag state, in StepContext step) =>
        rule.AddUpdate(gradient, weight, scale, state, step);

    public static double Rms(double[] values) => Math.Sqrt(values.Average(value => value * value));
}
