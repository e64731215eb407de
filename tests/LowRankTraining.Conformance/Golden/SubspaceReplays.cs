using LowRankTraining.Parts;
using LowRankTraining.Strategies;

namespace LowRankTraining.Conformance.Golden;

/// <summary>Recorded cases of the methods that choose, move or draw their subspace in ways of their own.</summary>
public static class SubspaceReplays
{
    public static IReadOnlyList<Deviation> Apollo(GoldenCase golden) => Trajectory.Replay(golden, new Apollo
    {
        Compatibility = Compatibility.ReferenceCode,
        Rank = golden.Whole("hp.rank"),
        RefreshEvery = golden.Whole("hp.update_proj_gap"),
        Basis = golden.Text("hp.proj") == "svd" ? new ExactSvdBasis() : new RecordedBasis(golden),
        Scale = golden.Number("hp.scale"),
        Scaling = golden.Text("hp.scale_type") == "channel" ? GradientScaling.Channel : GradientScaling.Tensor,
        ScaleBeforeLimiter = golden.Flag("hp.scale_front"),
        Limiter = golden.Flag("hp.disable_nl") ? null : new(),
        Beta1 = golden.Number("hp.beta1"),
        Beta2 = golden.Number("hp.beta2"),
        Epsilon = golden.Number("hp.eps"),
    }.Attach);

    public static IReadOnlyList<Deviation> LDAdam(GoldenCase golden)
    {
        var options = new LDAdam
        {
            Compatibility = Compatibility.ReferenceCode,
            Beta1 = golden.Number("hp.beta1"),
            Beta2 = golden.Number("hp.beta2"),
            Epsilon = golden.Number("hp.eps"),
        };
        if (!golden.Has("hp.rank"))
            return Trajectory.Replay(golden, options.Attach);

        var share = golden.Number("hp.rho");
        IBasis ofMix = golden.Text("hp.proj_method") == "svd" ? new ExactSvdBasis() : new WarmStartedBasis { Start = new ExactSvdBasis() };
        var shape = golden["w.0"].Shape;
        return Trajectory.Replay(golden, (options with
        {
            Rank = golden.Whole("hp.rank"),
            Basis = new WithRecordedSigns(new MomentumMix { Share = share, Of = ofMix }),
            Feedback = golden.Flag("hp.error_feedback") ? StateFormat.Float32 : null,
            Side = shape[0] > shape[1] ? ProjectionSide.Right : ProjectionSide.Left,
        }).Attach);
    }

    public static IReadOnlyList<Deviation> Frugal(GoldenCase golden) => Trajectory.Replay(golden, new Frugal
    {
        Compatibility = Compatibility.ReferenceCode,
        Density = golden.Number("hp.density"),
        RefreshEvery = golden.Whole("hp.update_gap"),
        Basis = golden.Text("hp.family") == "svd" ? new ExactSvdBasis() : new RecordedCoordinates(golden),
        OnRefresh = golden.Flag("hp.reset_statistics") ? MomentCarryOver.Reset : MomentCarryOver.Keep,
        Scale = golden.Number("hp.proj_params_lr_scale"),
        ResidualScale = golden.Text("hp.inactive_update_rule") == "no" ? 1 : golden.Number("hp.proj_params_lr_scale") * golden.Number("hp.inactive_lr_scale"),
        Outside = golden.Text("hp.inactive_update_rule") switch
        {
            "sign_sgd" => StateFreeStep.Sign,
            "sgd" => StateFreeStep.Gradient,
            "no" => StateFreeStep.None,
            var other => throw new InvalidDataException($"Unknown rule '{other}'."),
        },
        Beta1 = golden.Number("hp.beta1"),
        Beta2 = golden.Number("hp.beta2"),
        Epsilon = golden.Number("hp.eps"),
        BiasCorrection = golden.Flag("hp.correct_bias"),
    }.Attach);

    public static IReadOnlyList<Deviation> OnlineSubspaceDescent(GoldenCase golden) => Trajectory.Replay(golden, new OnlineSubspaceDescent
    {
        Compatibility = Compatibility.ReferenceCode,
        Rank = golden.Whole("hp.rank"),
        Scale = golden.Number("hp.scale"),
        ProjectorLearningRate = 1.0 / golden.Whole("hp.update_proj_gap"),
        ProjectorWeightDecay = golden.Number("hp.projector_weight_decay"),
        ProjectorUsesAdam = golden.Text("hp.projector_optimizer") == "AdamW",
        Beta1 = golden.Number("hp.beta1"),
        Beta2 = golden.Number("hp.beta2"),
        Epsilon = golden.Number("hp.eps"),
        BiasCorrection = golden.Flag("hp.correct_bias"),
    }.Attach, drifts: true);
}
