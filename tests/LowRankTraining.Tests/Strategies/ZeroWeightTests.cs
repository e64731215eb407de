using FluentAssertions;
using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Adapters;
using TorchSharp;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Strategies;

/// <summary>Layers that start at zero, as the last ones of residual branches do: factors that are found from the weight must not both be zero.</summary>
public class ZeroWeightTests
{
    public static TheoryData<ILowRankStrategy> FromTheWeight =>
    [
        new LoRA { Rank = 4, Init = FactorInit.PiSSA },
        new LoRA { Rank = 4, Init = FactorInit.PiSSA, Injection = Injection.Shadow },
        new LoRA { Rank = 4, Init = FactorInit.PiSSA, Base = BaseFormat.NF4 },
        new LoRA { Rank = 4, Init = FactorInit.OLoRA },
        new LowRankFactorization { Rank = 4 },
        new LowRankFactorization { Rank = 4, RefactorEvery = 2 },
        new Spectron { Rank = 4 },
        new WeLore { Ratio = 0.3, MinRatio = 0 },
        new SLTrain { Rank = 4, StartsFromWeight = true, Density = 0.01 },
        new SLTrain { Rank = 4, StartsFromWeight = true, Density = 0.01, Injection = Injection.Shadow },
    ];

    [Theory, MemberData(nameof(FromTheWeight))]
    public void Weight_of_zeros_stays_so_at_the_start_and_learns(ILowRankStrategy method)
    {
        using var model = WithoutSecond();
        using var optimizer = method.Attach(model, Targets.Matching("second")).CreateOptimizer(0.01);

        using var untrained = WithoutSecond();
        using (var session = method.Attach(untrained, Targets.Matching("second")))
            session.Finish();
        Run(model, optimizer, 20);
        optimizer.Session.Finish();

        Values(untrained.get_parameter("second.weight")!).Should().OnlyContain(entry => entry == 0);
        using var learned = linalg.svdvals(model.get_parameter("second.weight")!.detach());
        learned[3].ToDouble().Should().BeGreaterThan(1e-4, "the whole rank learns");
    }

    private static OpenNetwork WithoutSecond()
    {
        var model = Seeded(new OpenNetwork());
        using var guard = no_grad();
        model.get_parameter("second.weight")!.zero_();
        return model;
    }
}
