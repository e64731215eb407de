using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Golden;

/// <summary>How far one of our tensors is from the recorded one, relative to <c>scale</c>.</summary>
public sealed record Deviation(string Tensor, double Relative)
{
    /// <summary>Relative to the largest recorded entry: the measure for bases and states.</summary>
    public static Deviation Of(string name, double[] ours, double[] recorded) => Of(name, ours, recorded, recorded.Max(Math.Abs));

    public static Deviation Of(string name, double[] ours, double[] recorded, double scale)
    {
        if (ours.Length != recorded.Length)
            return new($"{name}: {ours.Length} entries instead of {recorded.Length}", double.PositiveInfinity);

        var largest = ours.Zip(recorded, (a, b) => Math.Abs(a - b)).DefaultIfEmpty(0).Aggregate((a, b) => double.IsNaN(a) || a > b ? a : b);
        return new(name, largest == 0 ? 0 : largest / scale);
    }

    public static Deviation Of(string name, Tensor ours, GoldenTensor recorded) => Of(name, Values(ours), recorded.Values);

    public static double[] Values(Tensor tensor)
    {
        using var scope = NewDisposeScope();
        return [.. tensor.detach().cpu().to(ScalarType.Float64).contiguous().data<double>()];
    }

    public override string ToString() => $"{Tensor}: {Relative:g3}";
}
