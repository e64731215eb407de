using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Golden;

/// <summary>Recorded update rules other than Adam's, and guards.</summary>
public static class UpdateReplays
{
    public static IReadOnlyList<Deviation> GaLoreAdafactor(GoldenCase golden) => Trajectory.Replay(
        golden,
        new GaLore
        {
            Compatibility = Compatibility.ReferenceCode,
            Inner = Adafactor(golden) with
            {
                Beta1 = golden.Has("hp.beta1") ? golden.Number("hp.beta1") : 0,
                RelativeStep = golden.Flag("hp.relative_step"),
                WarmupInit = golden.Flag("hp.warmup_init"),
            },
            Rank = golden.Has("hp.rank") ? golden.Whole("hp.rank") : 1,
            RefreshEvery = golden.Has("hp.update_proj_gap") ? golden.Whole("hp.update_proj_gap") : 1,
            Scale = golden.Has("hp.scale") ? golden.Number("hp.scale") : 1,
            Side = golden.Has("hp.proj_type") ? Replays.Side(golden.Text("hp.proj_type")) : ProjectionSide.Short,
        }.Attach,
        momentScale: golden.Has("hp.lr") ? golden.Number("hp.lr") : 1);

    public static IReadOnlyList<Deviation> Flora(GoldenCase golden) => Trajectory.Replay(
        golden,
        new Flora
        {
            Compatibility = Compatibility.ReferenceCode,
            Rank = golden.Whole("hp.rank"),
            ResampleEvery = golden.Whole("hp.kappa"),
            Beta1 = golden.Number("hp.beta1"),
            Adafactor = Adafactor(golden),
            Basis = new RecordedBasis(golden),
        }.Attach,
        drawn: true);

    public static IReadOnlyList<Deviation> Spam(GoldenCase golden)
    {
        var options = new Spam
        {
            Compatibility = Compatibility.ReferenceCode,
            Beta1 = golden.Number("hp.beta1"),
            Beta2 = golden.Number("hp.beta2"),
            Epsilon = golden.Number("hp.eps"),
            BiasCorrection = golden.Flag("hp.correct_bias"),
            Threshold = golden.Number("hp.threshold"),
            ResetEvery = golden.Whole("hp.reset_interval"),
            WarmupAfterReset = golden.Whole("hp.warmup_steps"),
            ClipStart = golden.Whole("hp.clip_start"),
        };
        var guard = new SpikeGuard { ResetEvery = options.ResetEvery, WarmupAfterReset = options.WarmupAfterReset };
        var before = zeros(golden["w.0"].Shape, ScalarType.Float64);

        IEnumerable<Deviation> Traces(int t, StateBag state)
        {
            yield return Single(golden, "lr_factor", t, guard.WarmupFactor(t));

            if (t % options.ResetEvery == 0)
                before = zeros_like(before);
            var after = state["exp_avg_sq"].to(ScalarType.Float64);
            yield return Single(golden, "clipped_entries", t, CutEntries(Trajectory.ToTensor(golden[$"g.{t}"]), before, after, options.Beta2));
            before = after.clone();
        }

        return Trajectory.Replay(golden, options.Attach, chosen: true, traces: Traces);
    }

    public static IReadOnlyList<Deviation> StableSpam(GoldenCase golden)
    {
        var totalSteps = golden.Has("hp.total_steps") ? golden.Whole("hp.total_steps") : (int?)null;
        var options = new StableSpam
        {
            Compatibility = Compatibility.ReferenceCode,
            Beta1 = golden.Number("hp.beta1"),
            Beta2 = golden.Number("hp.beta2"),
            Epsilon = golden.Number("hp.eps"),
            NormDecay = golden.Number("hp.gamma1"),
            SquaredNormDecay = golden.Number("hp.gamma2"),
            ClipDecay = golden.Number("hp.theta"),
            TotalSteps = totalSteps,
            FinalMomentum = golden.Number("hp.eta_min"),
            ResetEvery = golden.Whole("hp.reset_interval"),
        };
        var schedule = totalSteps is { } steps ? new MomentumSchedule { TotalSteps = steps, Final = options.FinalMomentum } : null;

        IEnumerable<Deviation> Traces(int t, StateBag state) =>
        [
            Single(golden, "trace.m_max", t, state["guard_max"].ToDouble()),
            Single(golden, "trace.m_norm", t, state["guard_norm"].ToDouble()),
            Single(golden, "trace.v_norm", t, state["guard_square"].ToDouble()),
            Single(golden, "trace.step", t, state.Counter("step")),
            Single(golden, "trace.scale_factor", t, schedule?.Factor(t) ?? 1),
        ];

        return Trajectory.Replay(golden, options.Attach, chosen: true, traces: Traces);
    }

    private static AdafactorRule Adafactor(GoldenCase golden) => new()
    {
        Epsilon1 = golden.Number("hp.eps1"),
        Epsilon2 = golden.Number("hp.eps2"),
        ClipThreshold = golden.Number("hp.clip_threshold"),
        DecayRate = golden.Number("hp.decay_rate"),
        ScaleParameter = golden.Flag("hp.scale_parameter"),
    };

    private static Deviation Single(GoldenCase golden, string name, int t, double ours) =>
        Deviation.Of($"{name} after {t}", [ours], [golden[name].Values[t - 1]], Math.Max(1e-12, golden[name].Values.Max(Math.Abs)));

    /// <summary>Entries whose square entered the second moment smaller than it was.</summary>
    private static double CutEntries(Tensor gradient, Tensor before, Tensor after, double beta2)
    {
        using var scope = NewDisposeScope();
        var square = gradient.to(ScalarType.Float64).square();
        var entered = (after - before * beta2) / (1 - beta2);
        return (square > before).logical_and(entered < square * 0.9999).sum().ToDouble();
    }

    /// <summary>The matrices of the file in place of random ones.</summary>
    private sealed record RecordedBasis(GoldenCase Golden) : IDrawnBasis
    {
        public Tensor Draw(Tensor like, long length, long rank, in StepContext step)
        {
            var recorded = Trajectory.ToTensor(Golden[$"basis.{step.Step}"]);
            return recorded.shape[0] == length ? recorded : recorded.t().contiguous();
        }
    }
}
