using LowRankTraining.Numerics;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using TorchSharp;
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

    public static IReadOnlyList<Deviation> Dion(GoldenCase golden)
    {
        IEnumerable<Deviation> Momentum(int t, StateBag state) => [Deviation.Of($"M.{t}", state["momentum_buffer"], golden[$"M.{t}"])];

        return Trajectory.Replay(
            golden,
            new Dion
            {
                Rank = golden.Whole("hp.rank"),
                Momentum = golden.Number("hp.mu"),
                Compatibility = golden.Flag("hp.transposed") ? Compatibility.ReferenceCode : Compatibility.Paper,
                Start = new RecordedStart(golden),
            }.Attach,
            chosen: true, drawn: true, traces: Momentum);
    }

    public static IReadOnlyList<Deviation> MoFaSgd(GoldenCase golden)
    {
        var rule = new FactoredMomentumRule
        {
            Rank = golden.Whole("hp.rank"),
            Momentum = golden.Number("hp.beta"),
            Scale = golden.Number("hp.eta1"),
            ResidualScale = golden.Number("hp.eta2"),
            MostInverse = golden.Flag("hp.use_ones_for_nonzero_s") ? null : golden.Number("hp.max_value"),
            Epsilon = golden.Number("hp.eps"),
            UsesNewSubspace = golden.Flag("hp.use_current_projection") && golden.Number("hp.eta2") > 0,
            StartsFromWeight = true,
            Scaling = PolarScaling.None,
        };

        IEnumerable<Deviation> Factors(int t, StateBag state)
        {
            var (left, values, right) = (state["left_factor"], state["singular_values"], state["right_factor"]);
            yield return Deviation.Of($"S.{t}", values, golden[$"S.{t}"]);
            yield return Deviation.Of($"momentum.{t}", (left * values).mm(right.t()), golden[$"momentum.{t}"]);
        }

        return Trajectory.Replay(golden, Recipe.Of("mofasgd", rule).Attach, chosen: true, drawn: true, traces: Factors);
    }

    /// <summary>The right factor of the file in place of a random one.</summary>
    private sealed record RecordedStart(GoldenCase Golden) : IDrawnBasis
    {
        public Tensor Draw(Tensor like, long length, long rank, in StepContext step) => Trajectory.ToTensor(Golden["Q.0"]);
    }
}
