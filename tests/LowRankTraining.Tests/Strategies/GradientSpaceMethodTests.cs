using FluentAssertions;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using Microsoft.Extensions.Options;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Strategies;

/// <summary>Options out of range and options that contradict each other, all named before anything is made.</summary>
public class GradientSpaceMethodTests
{
    private static readonly string[] Common = ["Rank", "RefreshEvery", "Beta1", "Beta2", "Epsilon", "Scale", "Side"];

    private static readonly Dictionary<string, (GradientSpaceMethod Method, string[] Wrong)> OutOfRange = new()
    {
        ["galore"] = (new GaLore(), []),
        ["galore2"] =
            (new GaLore2 { Basis = new RandomizedSvdBasis { Oversampling = -1, PowerIterations = -1 } }, ["Basis.Oversampling", "Basis.PowerIterations"]),
        ["q-galore"] = (new QGaLore { SimilarityThreshold = 2, GapGrowth = 1, RememberedSimilarities = 0, WeightGroup = 0, Staggered = true },
            ["SimilarityThreshold", "GapGrowth", "RememberedSimilarities", "WeightGroup", "Staggered"]),
        ["fira"] = (new Fira { ResidualScale = -1, Limiter = new() { MaxGrowth = 1, Floor = 0 } }, ["ResidualScale", "Limiter.MaxGrowth", "Limiter.Floor"]),
        ["apollo"] = (new Apollo { Scaling = (GradientScaling)9, Limiter = new() { MaxGrowth = 1 } }, ["Scaling", "Limiter.MaxGrowth"]),
        ["ldadam"] = (new LDAdam { Share = 1, Feedback = StateFormat.Affine4Bit }, ["Share", "Feedback"]),
        ["frugal"] = (new Frugal { Density = 1.5, Outside = (StateFreeStep)9, ResidualScale = -1 }, ["Density", "Outside", "ResidualScale"]),
        ["online-subspace-descent"] = (new OnlineSubspaceDescent { Refresh = null, ProjectorLearningRate = 0, ProjectorWeightDecay = -1 },
            ["ProjectorLearningRate", "ProjectorWeightDecay"]),
        ["subtrack"] = (new SubTrack { Basis = new GrassmannBasis { StepSize = 0 }, ResidualScale = -1, Limiter = new() { MaxGrowth = 1 } },
            ["Basis.StepSize", "ResidualScale", "Limiter.MaxGrowth"]),
        ["sumo"] =
            (new Sumo { Momentum = 1, NewtonSchulzSteps = 0, Scaling = (PolarScaling)9, ResidualScale = -1 },
                ["Momentum", "NewtonSchulzSteps", "Scaling", "ResidualScale"]),
        ["adarankgrad"] = (new AdaRankGrad { Refresh = new EnergyRefresh { Least = 0, LookEvery = 0, AtLeast = 0, AtMost = -1 } },
            ["Refresh.Least", "Refresh.LookEvery", "Refresh.AtLeast", "Refresh.AtMost"]),
        ["gradnormlorp"] = (new GradNormLoRP(), []),
        ["balanced"] =
            (new Balanced { ResidualScale = -1, Limiter = new() { MaxGrowth = 1, Floor = 0 } }, ["ResidualScale", "Limiter.MaxGrowth", "Limiter.Floor"]),
    };

    private static readonly Dictionary<string, (GradientSpaceMethod Method, string[] Says)> Contradictory = new()
    {
        ["fira, Gaussian basis"] = (new Fira { Basis = new GaussianBasis() }, ["ScaledResidual*GaussianBasis*not orthonormal*RandomOrthonormalBasis"]),
        ["galore, Gaussian basis"] = (new GaLore { Basis = new GaussianBasis() }, ["ProjectBack*GaussianBasis*not orthonormal"]),
        ["fira, both sides"] = (new Fira { Side = ProjectionSide.Both }, ["ScaledResidual*Side is Both*choose one side"]),
        ["adarankgrad, moments kept"] = (new AdaRankGrad { OnRefresh = MomentCarryOver.Keep }, ["AdaptiveRankBasis changes the rank*OnRefresh"]),
        ["galore, adaptive rank"] = (new GaLore { Basis = new AdaptiveRankBasis() }, ["AdaptiveRankBasis changes the rank*OnRefresh"]),
        ["galore, adaptive rank, first moment rotated"] =
            (new GaLore { Basis = new AdaptiveRankBasis(), OnRefresh = MomentCarryOver.RotateFirst }, ["AdaptiveRankBasis changes the rank*OnRefresh"]),
        ["osd, both sides"] = (new OnlineSubspaceDescent { Side = ProjectionSide.Both }, ["OnlinePcaDrift*one side"]),
        ["osd, drawn basis"] = (new OnlineSubspaceDescent { Basis = new RandomOrthonormalBasis() }, ["OnlinePcaDrift*found from the gradient"]),
        ["osd, cosines"] = (new OnlineSubspaceDescent { Basis = new DctBasis() }, ["OnlinePcaDrift*found from the gradient"]),
        ["osd, adaptive rank"] =
            (new OnlineSubspaceDescent { Basis = new AdaptiveRankBasis(), OnRefresh = MomentCarryOver.Rotate }, ["OnlinePcaDrift*fixed rank"]),
        ["warm start from cosines"] =
            (new GaLore { Basis = new WarmStartedBasis { Start = new DctBasis() } }, ["WarmStartedBasis*DctBasis*RandomizedSvdBasis"]),
        ["warm start from adaptive rank"] =
            (new GaLore { Basis = new WarmStartedBasis { Start = new AdaptiveRankBasis() } }, ["WarmStartedBasis*AdaptiveRankBasis*RandomizedSvdBasis"]),
        ["mixed momentum, cosines"] = (new LDAdam { Basis = new MomentumMix { Of = new DctBasis() } }, ["MomentumMix*DctBasis*RandomizedSvdBasis"]),
        ["rotation from Gaussian"] =
            (new SubTrack { Basis = new GrassmannBasis { Start = new GaussianBasis() } }, ["GrassmannBasis*GaussianBasis*RandomizedSvdBasis"]),
        ["tucker, cosines, guarded"] = (new GaLore
        {
            Tucker = true, Basis = new DctBasis(), Refresh = new LazyRefresh(), OnRefresh = MomentCarryOver.Rotate,
            BasisFormat = StateFormat.BFloat16,
        }, ["Tucker*DctBasis", "Tucker*LazyRefresh", "Tucker*OnRefresh", "Tucker*BasisFormat"]),
        ["fira, Gaussian and both sides"] = (new Fira { Basis = new GaussianBasis(), Side = ProjectionSide.Both }, ["not orthonormal", "Side is Both"]),
        ["adarankgrad, left at once"] =
            (new AdaRankGrad { Basis = new AdaptiveRankBasis { Outside = 0.8 }, Refresh = new EnergyRefresh { Least = 0.3 } }, ["Least is 0.3*1 − Outside"]),
        ["fira, accumulating"] = (new Fira { AccumulatesInSubspace = true }, ["ScaledResidual*whole gradient*accumulate in full"]),
        ["ldadam, accumulating"] = (new LDAdam { AccumulatesInSubspace = true }, ["Error feedback*whole gradient*accumulate in full"]),
        ["frugal, accumulating"] = (new Frugal { AccumulatesInSubspace = true }, ["StateFreeResidual*whole gradient*accumulate in full"]),
        ["apollo, accumulating"] = (new Apollo { AccumulatesInSubspace = true }, ["ScaledGradient*whole gradient*accumulate in full"]),
        ["osd, accumulating"] = (new OnlineSubspaceDescent { AccumulatesInSubspace = true }, ["OnlinePcaDrift*whole gradient*accumulate in full"]),
        ["gradnormlorp, accumulating"] = (new GradNormLoRP { AccumulatesInSubspace = true }, ["GradNormLoRP*whole gradient*accumulate in full"]),
        ["ahead, without a period"] =
            (new GaLore { Basis = new WarmStartedBasis { Ahead = true }, Refresh = new LazyRefresh() },
                ["WarmStartedBasis goes ahead*LazyRefresh*PeriodicRefresh"]),
        ["ahead, both sides"] =
            (new GaLore { Basis = new WarmStartedBasis { Ahead = true }, Side = ProjectionSide.Both }, ["WarmStartedBasis goes ahead*one side*Ahead to false"]),
        ["ahead, drifting"] =
            (new OnlineSubspaceDescent { Basis = new WarmStartedBasis { Ahead = true } }, ["WarmStartedBasis goes ahead*without a drift*Ahead to false"]),
        ["ahead, within another"] =
            (new GaLore { Basis = new MomentumMix { Of = new WarmStartedBasis { Ahead = true } } }, ["WarmStartedBasis goes ahead*MomentumMix*Ahead to false"]),
    };

    private static readonly Dictionary<string, GradientSpaceMethod> Fitting = new()
    {
        ["galore, energy, accumulating"] = new GaLore { AccumulatesInSubspace = true, Refresh = new EnergyRefresh() },
        ["frugal without a residual, accumulating"] = new Frugal { AccumulatesInSubspace = true, Outside = StateFreeStep.None },
        ["ldadam without feedback, accumulating"] = new LDAdam { AccumulatesInSubspace = true, Feedback = null },
        ["galore, adaptive rank, rotated"] = new GaLore { Basis = new AdaptiveRankBasis(), OnRefresh = MomentCarryOver.Rotate },
        ["galore, both sides"] = new GaLore { Side = ProjectionSide.Both },
        ["ldadam, mixed with exact"] = new LDAdam { Basis = new MomentumMix { Of = new WarmStartedBasis { Start = new ExactSvdBasis() } } },
        ["apollo, orthonormal basis"] = new Apollo { Basis = new RandomizedSvdBasis() },
        ["tucker, staggered"] = new GaLore { Tucker = true, Staggered = true, Basis = new GramBasis() },
    };

    private static readonly Dictionary<string, (GaLore Method, string[] Wrong)> WrongParts = new()
    {
        ["periodic"] = (new() { Refresh = new PeriodicRefresh { Every = 0 } }, ["GaLore.Refresh.Every is 0: it must be at least 1."]),
        ["staggered"] = (new() { Refresh = new StaggeredRefresh { Every = 0 } }, ["GaLore.Refresh.Every is*"]),
        ["lazy"] =
            (new() { Refresh = new LazyRefresh { Every = 0, Threshold = 0, Growth = 1, Remembered = 0 } },
                ["GaLore.Refresh.Every is*", "GaLore.Refresh.Threshold is*", "GaLore.Refresh.Growth is*", "GaLore.Refresh.Remembered is*"]),
        ["energy"] =
            (new() { Refresh = new EnergyRefresh { Least = 1, LookEvery = 0, AtLeast = 0, AtMost = -1 } },
                ["GaLore.Refresh.Least is*", "GaLore.Refresh.LookEvery is*", "GaLore.Refresh.AtLeast is*", "GaLore.Refresh.AtMost is*"]),
        ["path"] = (new() { Refresh = new PathEfficiencyRefresh { Least = 0, LookEvery = 0 } }, ["GaLore.Refresh.Least is*", "GaLore.Refresh.LookEvery is*"]),
        ["randomized"] =
            (new() { Basis = new RandomizedSvdBasis { Oversampling = -1, PowerIterations = -1 } },
                ["GaLore.Basis.Oversampling is*", "GaLore.Basis.PowerIterations is*"]),
        ["adaptive"] =
            (new() { OnRefresh = MomentCarryOver.Rotate, Basis = new AdaptiveRankBasis { Outside = 1, MinRank = 0, Multiple = 0, Block = 0, Hysteresis = -1 } },
            ["GaLore.Basis.Outside is*", "GaLore.Basis.MinRank is*", "GaLore.Basis.Multiple is*", "GaLore.Basis.Block is*", "GaLore.Basis.Hysteresis is*"]),
        ["within another"] =
            (new() { Basis = new MomentumMix { Share = 1, Of = new WarmStartedBasis { Start = new RandomizedSvdBasis { Oversampling = -1 } } } },
                ["GaLore.Basis.Share is*", "GaLore.Basis.Of.Start.Oversampling is*"]),
        ["grassmann"] = (new() { Basis = new GrassmannBasis { StepSize = 0 } }, ["GaLore.Basis.StepSize is*"]),
    };

    public static TheoryData<string> EveryType => [.. OutOfRange.Keys];

    public static TheoryData<string> EveryContradiction => [.. Contradictory.Keys];

    public static TheoryData<string> EveryPart => [.. WrongParts.Keys];

    public static TheoryData<string> EveryFit => [.. Fitting.Keys];

    [Theory, MemberData(nameof(EveryType))]
    public void Every_option_out_of_range_is_named_in_one_message(string type)
    {
        var (method, wrong) = OutOfRange[type];
        var broken = method with { Rank = 0, RefreshEvery = 0, Beta1 = 1, Beta2 = -0.1, Epsilon = 0, Scale = 0, Side = (ProjectionSide)9 };

        var failures = Refusal(broken)
            .Where(failure => failure.Contains(" is ", StringComparison.Ordinal) || failure.Contains("Staggered", StringComparison.Ordinal));

        failures.Select(failure => failure.Split(' ')[0]).Should().Contain([.. Common.Concat(wrong).Select(option => $"{method.GetType().Name}.{option}")]);
    }

    [Theory, MemberData(nameof(EveryPart))]
    public void Numbers_of_a_part_that_is_handed_in_are_checked_too(string part)
    {
        var (method, wrong) = WrongParts[part];

        var failures = Refusal(method);

        failures.Should().HaveCount(wrong.Length);
        foreach (var pattern in wrong)
            failures.Should().ContainMatch(pattern);
    }

    [Theory, MemberData(nameof(EveryContradiction))]
    public void Options_that_contradict_each_other_are_named_with_what_to_do(string combination)
    {
        var (method, says) = Contradictory[combination];

        var failures = Refusal(method);

        foreach (var sentence in says)
            failures.Should().ContainMatch($"*{sentence}*");
    }

    [Theory, MemberData(nameof(EveryFit))]
    public void Options_that_fit_together_are_taken(string combination) => Checks.Of(Fitting[combination]).Should().BeEmpty();

    [Fact]
    public void Every_method_is_tried() => OutOfRange.Keys.Should().BeEquivalentTo(
        LowRankStrategies.All.Where(method => method.Create() is GradientSpaceMethod).Select(method => method.Name));

    [Fact]
    public void Parameter_of_a_dtype_that_cannot_be_trained_is_named()
    {
        using var scope = NewDisposeScope();
        using Parameter weight = new(zeros(4, 6)), phases = new(zeros(4, 6, ScalarType.ComplexFloat32));
        var attach = () => new GaLore().Attach([("weight", weight), ("phases", phases)]);

        attach.Should().Throw<ArgumentException>().WithMessage("*float32*Freeze*phases (ComplexFloat32)*");
    }

    [Fact]
    public void Frozen_integer_parameter_is_left_alone()
    {
        using var scope = NewDisposeScope();
        using Parameter weight = new(zeros(4, 6)), codes = new(zeros(4, 6, ScalarType.Int64), requires_grad: false);

        using var session = new GaLore { Rank = 2 }.Attach([("weight", weight), ("codes", codes)]);

        session.Parameters.Select(plan => plan.Name).Should().Equal("weight");
    }

    /// <summary>What a method says when it is attached.</summary>
    private static IEnumerable<string> Refusal(GradientSpaceMethod method)
    {
        using var model = nn.Linear(8, 8);
        var attach = () => method.Attach(model);
        return attach.Should().Throw<OptionsValidationException>().Which.Failures;
    }
}
