using LowRankTraining.Numerics;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Golden;

/// <summary>Recorded cases of the methods that step along polar factors.</summary>
public static class PolarReplays
{
    public static IReadOnlyList<Deviation> NewtonSchulz(GoldenCase golden)
    {
        using var scope = NewDisposeScope();
        var polar = PolarFactor.NewtonSchulz(Trajectory.ToTensor(golden["x"]), golden.Whole("hp.ns_steps"), inBFloat16: false);
        return [Deviation.Of("y", polar, golden["y"])];
    }

    public static IReadOnlyList<Deviation> Muon(GoldenCase golden) => Trajectory.Replay(
        golden,
        new Muon
        {
            Momentum = golden.Number("hp.momentum"),
            Nesterov = golden.Flag("hp.nesterov"),
            NewtonSchulzSteps = golden.Whole("hp.ns_steps"),
            InBFloat16 = golden.Text("hp.ns_dtype") == "bfloat16",
            Scaling = golden.Text("hp.update_scale").StartsWith("0.2", StringComparison.Ordinal) ? PolarScaling.RootMeanSquare : PolarScaling.AspectRatio,
        }.Attach,
        chosen: true,
        momentScale: golden.Text("hp.momentum_kind") == "sum" ? 1 / (1 - golden.Number("hp.momentum")) : 1);
}
