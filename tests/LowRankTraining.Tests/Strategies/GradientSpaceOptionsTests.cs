using FluentAssertions;
using LowRankTraining.Rules;
using LowRankTraining.Strategies;
using LowRankTraining.Subspace;
using Microsoft.Extensions.Options;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Strategies;

/// <summary>Options out of range and options that contradict each other, all named before anything is made.</summary>
public class GradientSpaceOptionsTests
{
    private static readonly string[] Common = ["Rank", "RefreshEvery", "Beta1", "Beta2", "Epsilon"];

    private static readonly Dictionary<string, (Func<ILowRankStrategy> Make, string[] Wrong)> OutOfRange = new()
    {
        ["galore"] = (() => new GaLoreStrategy(new() { Rank = 0, RefreshEvery = 0, Beta1 = 1, Beta2 = -0.1, Epsilon = 0, Scale = 0, Side = (ProjectionSide)9, HigherOrder = (HigherOrder)9 }), ["Scale", "Side", "HigherOrder"]),
        ["galore2"] = (() => new GaLore2Strategy(new() { Rank = 0, RefreshEvery = 0, Beta1 = 1, Beta2 = -0.1, Epsilon = 0, Scale = double.NaN, Oversampling = -1, PowerIterations = -1, Side = (ProjectionSide)9 }),
            ["Scale", "Oversampling", "PowerIterations", "Side"]),
        ["q-galore"] = (() => new QGaLoreStrategy(new()
        {
            Rank = 0, RefreshEvery = 0, Beta1 = 1, Beta2 = -0.1, Epsilon = 0, Scale = 0, Side = (ProjectionSide)9, SimilarityThreshold = 2, GapGrowth = 1, RememberedSimilarities = 0, WeightGroup = 0, Staggered = true,
        }), ["Scale", "Side", "SimilarityThreshold", "GapGrowth", "RememberedSimilarities", "WeightGroup", "Staggered"]),
        ["fira"] = (() => new FiraStrategy(new()
        {
            Rank = 0, RefreshEvery = 0, Beta1 = 1, Beta2 = -0.1, Epsilon = 0, Scale = 0, ResidualScale = -1, MaxGrowth = 1, LimiterFloor = 0, Side = (ProjectionSide)9, Inner = (FiraInner)9, RmsDecay = 1, Momentum = -1,
        }), ["Scale", "ResidualScale", "MaxGrowth", "LimiterFloor", "Side", "Inner", "RmsDecay", "Momentum"]),
        ["apollo"] = (() => new ApolloStrategy(new() { Rank = 0, RefreshEvery = 0, Beta1 = 1, Beta2 = -0.1, Epsilon = 0, Scale = 0, Scaling = (GradientScaling)9, MaxGrowth = 1 }), ["Scale", "Scaling", "MaxGrowth"]),
        ["ldadam"] = (() => new LDAdamStrategy(new() { Rank = 0, RefreshEvery = 0, Beta1 = 1, Beta2 = -0.1, Epsilon = 0, Share = 1, Scale = 0, Side = (ProjectionSide)9 }), ["Share", "Scale", "Side"]),
        ["frugal"] = (() => new FrugalStrategy(new()
        {
            Rank = 0, RefreshEvery = 0, Beta1 = 1, Beta2 = -0.1, Epsilon = 0, Density = 1.5, Split = (FrugalSplit)9, Outside = (StateFreeStep)9, Scale = 0, ResidualScale = -1,
        }), ["Density", "Split", "Outside", "Scale", "ResidualScale"]),
        ["online-subspace-descent"] = (() => new OnlineSubspaceDescentStrategy(new()
        {
            Rank = 0, RefreshEvery = 0, Beta1 = 1, Beta2 = -0.1, Epsilon = 0, ProjectorLearningRate = 0, ProjectorWeightDecay = -1, Scale = 0, Side = (ProjectionSide)9,
        }), ["ProjectorLearningRate", "ProjectorWeightDecay", "Scale", "Side"]),
        ["subtrack"] = (() => new SubTrackStrategy(new() { Rank = 0, RefreshEvery = 0, Beta1 = 1, Beta2 = -0.1, Epsilon = 0, StepSize = 0, Scale = 0, ResidualScale = -1, MaxGrowth = 1, Side = (ProjectionSide)9 }),
            ["StepSize", "Scale", "ResidualScale", "MaxGrowth", "Side"]),
        ["adarankgrad"] = (() => new AdaRankGradStrategy(new()
        {
            Rank = 0, RefreshEvery = 0, Beta1 = 1, Beta2 = -0.1, Epsilon = 0, Outside = 0, Least = 0, MinRank = 0, LookEvery = 0, MinDwell = 0, MaxDwell = -1, Scale = 0, Side = (ProjectionSide)9,
        }), ["Outside", "Least", "MinRank", "LookEvery", "MinDwell", "MaxDwell", "Scale", "Side"]),
        ["gradnormlorp"] = (() => new GradNormLoRPStrategy(new() { Rank = 0, RefreshEvery = 0, Beta1 = 1, Beta2 = -0.1, Epsilon = 0, Scale = 0, Side = (ProjectionSide)9 }), ["Scale", "Side"]),
        ["balanced"] = (() => new BalancedStrategy(new() { Rank = 0, RefreshEvery = 0, Beta1 = 1, Beta2 = -0.1, Epsilon = 0, Scale = 0, ResidualScale = -1, MaxGrowth = 1, LimiterFloor = 0, Side = (ProjectionSide)9 }),
            ["Scale", "ResidualScale", "MaxGrowth", "LimiterFloor", "Side"]),
    };

    private static readonly Dictionary<string, (Func<ILowRankStrategy> Make, string[] Says)> Contradictory = new()
    {
        ["fira, Gaussian basis"] = (() => new FiraStrategy(new() { Basis = new GaussianBasis() }), ["ScaledResidual*GaussianBasis*not orthonormal*RandomOrthonormalBasis"]),
        ["galore, Gaussian basis"] = (() => new GaLoreStrategy(new() { Basis = new GaussianBasis() }), ["ProjectBack*GaussianBasis*not orthonormal"]),
        ["fira, both sides"] = (() => new FiraStrategy(new() { Side = ProjectionSide.Both }), ["ScaledResidual*Side is Both*choose one side"]),
        ["adarankgrad, moments kept"] = (() => new AdaRankGradStrategy(new() { OnRefresh = MomentCarryOver.Keep }), ["AdaptiveRankBasis changes the rank*OnRefresh"]),
        ["galore, adaptive rank"] = (() => new GaLoreStrategy(new() { Basis = new AdaptiveRankBasis() }), ["AdaptiveRankBasis changes the rank*OnRefresh"]),
        ["galore, adaptive rank, first moment rotated"] = (() => new GaLoreStrategy(new() { Basis = new AdaptiveRankBasis(), OnRefresh = MomentCarryOver.RotateFirst }), ["AdaptiveRankBasis changes the rank*OnRefresh"]),
        ["osd, both sides"] = (() => new OnlineSubspaceDescentStrategy(new() { Side = ProjectionSide.Both }), ["OnlinePcaDrift*one side"]),
        ["osd, drawn basis"] = (() => new OnlineSubspaceDescentStrategy(new() { Basis = new RandomOrthonormalBasis() }), ["OnlinePcaDrift*found from the gradient"]),
        ["osd, cosines"] = (() => new OnlineSubspaceDescentStrategy(new() { Basis = new DctBasis() }), ["OnlinePcaDrift*found from the gradient"]),
        ["osd, adaptive rank"] = (() => new OnlineSubspaceDescentStrategy(new() { Basis = new AdaptiveRankBasis(), OnRefresh = MomentCarryOver.Rotate }), ["OnlinePcaDrift*fixed rank"]),
        ["warm start from cosines"] = (() => new GaLoreStrategy(new() { Basis = new WarmStartedBasis { Start = new DctBasis() } }), ["WarmStartedBasis*DctBasis*RandomizedSvdBasis"]),
        ["warm start from adaptive rank"] = (() => new GaLoreStrategy(new() { Basis = new WarmStartedBasis { Start = new AdaptiveRankBasis() } }), ["WarmStartedBasis*AdaptiveRankBasis*RandomizedSvdBasis"]),
        ["mixed momentum, cosines"] = (() => new LDAdamStrategy(new() { Basis = new MomentumMix { Of = new DctBasis() } }), ["MomentumMix*DctBasis*RandomizedSvdBasis"]),
        ["rotation from Gaussian"] = (() => new SubTrackStrategy(new() { Basis = new GrassmannBasis { Start = new GaussianBasis() } }), ["GrassmannBasis*GaussianBasis*RandomizedSvdBasis"]),
        ["tucker, cosines, guarded"] = (() => new GaLoreStrategy(new()
        {
            HigherOrder = HigherOrder.Tucker, Basis = new DctBasis(), Refresh = new LazyRefresh(), OnRefresh = MomentCarryOver.Rotate, BasisFormat = StateFormat.BFloat16,
        }), ["Tucker*DctBasis", "Tucker*LazyRefresh", "Tucker*OnRefresh", "Tucker*BasisFormat"]),
        ["fira, Gaussian and both sides"] = (() => new FiraStrategy(new() { Basis = new GaussianBasis(), Side = ProjectionSide.Both }), ["not orthonormal", "Side is Both"]),
        ["adarankgrad, left at once"] = (() => new AdaRankGradStrategy(new() { Outside = 0.8, Least = 0.3 }), ["Least is 0.3*1 − Outside"]),
        ["fira, accumulating"] = (() => new FiraStrategy(new() { AccumulatesInSubspace = true }), ["ScaledResidual*whole gradient*accumulate in full"]),
        ["ldadam, accumulating"] = (() => new LDAdamStrategy(new() { AccumulatesInSubspace = true }), ["Error feedback*whole gradient*accumulate in full"]),
        ["frugal, accumulating"] = (() => new FrugalStrategy(new() { AccumulatesInSubspace = true }), ["StateFreeResidual*whole gradient*accumulate in full"]),
        ["apollo, accumulating"] = (() => new ApolloStrategy(new() { AccumulatesInSubspace = true }), ["ScaledGradient*whole gradient*accumulate in full"]),
        ["osd, accumulating"] = (() => new OnlineSubspaceDescentStrategy(new() { AccumulatesInSubspace = true }), ["OnlinePcaDrift*whole gradient*accumulate in full"]),
        ["gradnormlorp, accumulating"] = (() => new GradNormLoRPStrategy(new() { AccumulatesInSubspace = true }), ["GradNormLoRP*whole gradient*accumulate in full"]),
        ["galore, energy, accumulating"] = (() => new GaLoreStrategy(new() { AccumulatesInSubspace = true, Refresh = new EnergyRefresh() }), ["EnergyRefresh*the whole gradient*accumulate in full"]),
    };

    private static readonly Dictionary<string, Func<ILowRankStrategy>> Fitting = new()
    {
        ["frugal without a residual, accumulating"] = () => new FrugalStrategy(new() { AccumulatesInSubspace = true, Outside = StateFreeStep.None }),
        ["ldadam without feedback, accumulating"] = () => new LDAdamStrategy(new() { AccumulatesInSubspace = true, ErrorFeedback = false }),
        ["galore, adaptive rank, rotated"] = () => new GaLoreStrategy(new() { Basis = new AdaptiveRankBasis(), OnRefresh = MomentCarryOver.Rotate }),
        ["galore, both sides"] = () => new GaLoreStrategy(new() { Side = ProjectionSide.Both }),
        ["ldadam, mixed with exact"] = () => new LDAdamStrategy(new() { Basis = new MomentumMix { Of = new WarmStartedBasis { Start = new ExactSvdBasis() } } }),
        ["apollo, orthonormal basis"] = () => new ApolloStrategy(new() { Basis = new RandomizedSvdBasis() }),
        ["tucker, staggered"] = () => new GaLoreStrategy(new() { HigherOrder = HigherOrder.Tucker, Staggered = true, Basis = new GramBasis() }),
    };

    private static readonly Dictionary<string, (GaLoreOptions Options, string[] Wrong)> WrongParts = new()
    {
        ["periodic"] = (new() { Refresh = new PeriodicRefresh { Every = 0 } }, ["Every of PeriodicRefresh is 0: it must be at least 1."]),
        ["staggered"] = (new() { Refresh = new StaggeredRefresh { Every = 0 } }, ["Every of StaggeredRefresh*"]),
        ["lazy"] = (new() { Refresh = new LazyRefresh { Every = 0, Threshold = 0, Growth = 1, Remembered = 0 } }, ["Every of*", "Threshold of*", "Growth of*", "Remembered of*"]),
        ["energy"] = (new() { Refresh = new EnergyRefresh { Least = 1, LookEvery = 0, AtLeast = 0, AtMost = -1 } }, ["Least of*", "LookEvery of*", "AtLeast of*", "AtMost of*"]),
        ["path"] = (new() { Refresh = new PathEfficiencyRefresh { Least = 0, LookEvery = 0 } }, ["Least of*", "LookEvery of*"]),
        ["randomized"] = (new() { Basis = new RandomizedSvdBasis { Oversampling = -1, PowerIterations = -1 } }, ["Oversampling of*", "PowerIterations of*"]),
        ["adaptive"] = (new() { OnRefresh = MomentCarryOver.Rotate, Basis = new AdaptiveRankBasis { Outside = 1, MinRank = 0, Multiple = 0, Block = 0, Hysteresis = -1 } },
            ["Outside of*", "MinRank of*", "Multiple of*", "Block of*", "Hysteresis of*"]),
        ["within another"] = (new() { Basis = new MomentumMix { Share = 1, Of = new WarmStartedBasis { Start = new RandomizedSvdBasis { Oversampling = -1 } } } }, ["Share of MomentumMix*", "Oversampling of*"]),
        ["grassmann"] = (new() { Basis = new GrassmannBasis { StepSize = 0 } }, ["StepSize of*"]),
    };

    public static TheoryData<string> EveryType => [.. OutOfRange.Keys];

    public static TheoryData<string> EveryContradiction => [.. Contradictory.Keys];

    public static TheoryData<string> EveryPart => [.. WrongParts.Keys];

    public static TheoryData<string> EveryFit => [.. Fitting.Keys];

    [Theory, MemberData(nameof(EveryType))]
    public void Every_option_out_of_range_is_named_in_one_message(string type)
    {
        var (make, wrong) = OutOfRange[type];

        var failures = make.Should().Throw<OptionsValidationException>().Which.Failures;

        failures.Select(failure => failure.Split(' ')[0]).Distinct().Should().BeEquivalentTo([.. Common, .. wrong]);
    }

    [Theory, MemberData(nameof(EveryPart))]
    public void Numbers_of_a_part_that_is_handed_in_are_checked_too(string part)
    {
        var (options, wrong) = WrongParts[part];
        var make = () => new GaLoreStrategy(options);

        var failures = make.Should().Throw<OptionsValidationException>().Which.Failures;

        failures.Should().HaveCount(wrong.Length);
        foreach (var pattern in wrong)
            failures.Should().ContainMatch(pattern);
    }

    [Theory, MemberData(nameof(EveryContradiction))]
    public void Options_that_contradict_each_other_are_named_with_what_to_do(string combination)
    {
        var (make, says) = Contradictory[combination];

        var failures = make.Should().Throw<OptionsValidationException>().Which.Failures;

        foreach (var sentence in says)
            failures.Should().ContainMatch($"*{sentence}*");
    }

    [Theory, MemberData(nameof(EveryFit))]
    public void Options_that_fit_together_are_taken(string combination) => Fitting[combination].Should().NotThrow();

    [Fact]
    public void Every_options_type_is_tried()
    {
        var names = from type in typeof(GradientSpaceOptions).Assembly.GetExportedTypes()
                    where type.IsAssignableTo(typeof(ILowRankStrategy)) && !type.IsAbstract
                    from constructor in type.GetConstructors()
                    let options = constructor.GetParameters()[0].ParameterType
                    where options.IsSubclassOf(typeof(GradientSpaceOptions))
                    select ((ILowRankStrategy)constructor.Invoke([Activator.CreateInstance(options)])).Name;

        OutOfRange.Keys.Should().BeEquivalentTo(names);
    }

    [Fact]
    public void Parameter_of_a_dtype_that_cannot_be_trained_is_named()
    {
        using var scope = NewDisposeScope();
        using Parameter weight = new(zeros(4, 6)), phases = new(zeros(4, 6, ScalarType.ComplexFloat32));
        var attach = () => new GaLoreStrategy().Attach([("weight", weight), ("phases", phases)]);

        attach.Should().Throw<ArgumentException>().WithMessage("*float32*Freeze*phases (ComplexFloat32)*");
    }

    [Fact]
    public void Frozen_integer_parameter_is_left_alone()
    {
        using var scope = NewDisposeScope();
        using Parameter weight = new(zeros(4, 6)), codes = new(zeros(4, 6, ScalarType.Int64), requires_grad: false);

        using var session = new GaLoreStrategy(new() { Rank = 2 }).Attach([("weight", weight), ("codes", codes)]);

        session.Parameters.Select(plan => plan.Name).Should().Equal("weight");
    }
}
