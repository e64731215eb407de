using FluentAssertions;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Optimizer;

/// <summary>Gradients of every size that their dtype has.</summary>
public class GradientRangeTests
{
    private static readonly Dictionary<string, Func<UpdateStrategyOf>> Strategies = new()
    {
        ["galore"] = () => parameters => new GaLore { Rank = 3, RefreshEvery = 3 }.Attach(parameters),
        ["galore, SGD"] = () => parameters => new GaLore { Rank = 3, RefreshEvery = 3, Inner = new SgdRule() }.Attach(parameters),
        ["galore, Adafactor"] = () => parameters => new GaLore { Rank = 3, RefreshEvery = 3, Inner = new AdafactorRule() }.Attach(parameters),
        ["fira"] = () => parameters => new Fira { Rank = 3, RefreshEvery = 3 }.Attach(parameters),
        ["fira, RMSProp"] = () => parameters => new Fira { Rank = 3, RefreshEvery = 3, Inner = new RmsPropRule() }.Attach(parameters),
        ["apollo"] = () => parameters => new Apollo { Rank = 3, RefreshEvery = 3 }.Attach(parameters),
        ["apollo, mini"] = () => parameters => Apollo.Mini.Attach(parameters),
        ["ldadam"] = () => parameters => new LDAdam { Rank = 3 }.Attach(parameters),
        ["frugal"] = () => parameters => new Frugal { RefreshEvery = 3 }.Attach(parameters),
        ["subtrack"] = () => parameters => new SubTrack { Rank = 3, RefreshEvery = 3 }.Attach(parameters),
        ["adarankgrad"] = () => parameters => new AdaRankGrad { Rank = 3 }.Attach(parameters),
        ["spam"] = () => parameters => new Spam().Attach(parameters),
        ["stable-spam"] = () => parameters => new StableSpam().Attach(parameters),
        ["gradnormlorp"] = () => parameters => new GradNormLoRP { Rank = 3, RefreshEvery = 3 }.Attach(parameters),
        ["flora"] = () => parameters => new Flora { Rank = 3 }.Attach(parameters),
        ["frugal, rows"] = () => parameters => new Frugal { RefreshEvery = 3, Outside = StateFreeStep.NormalizedRows }.Attach(parameters),
        ["frugal, Sinkhorn"] = () => parameters => new Frugal { RefreshEvery = 3, Outside = StateFreeStep.Sinkhorn }.Attach(parameters),
        ["muon"] = () => parameters => new Muon().Attach(parameters),
        ["muon, exact"] = () => parameters => new Muon { NewtonSchulzSteps = null }.Attach(parameters),
        ["sumo"] = () => parameters => new Sumo { Rank = 3, RefreshEvery = 3, ResidualScale = 0 }.Attach(parameters),
        ["gum"] = () => parameters => new Gum { Rank = 3, RefreshEvery = 3 }.Attach(parameters),
        ["mofasgd"] = () => parameters => new MoFaSgd { Rank = 3 }.Attach(parameters),
        ["dion"] = () => parameters => new Dion { Rank = 3 }.Attach(parameters),
        ["orth-dion"] = () => parameters => new Dion { Rank = 3, Orthonormalizes = true }.Attach(parameters),
        ["sinkgd"] = () => parameters => new SinkGD().Attach(parameters),
        ["scale"] = () => parameters => new Scale().Attach(parameters),
        ["galore, sampled"] = () => parameters => new GaLore { Rank = 3, RefreshEvery = 3, Basis = new SampledSvdBasis() }.Attach(parameters),
    };

    private delegate ILowRankSession UpdateStrategyOf(IEnumerable<(string, Parameter)> parameters);

    public static TheoryData<string, ScalarType, double> Sizes()
    {
        var cases = new TheoryData<string, ScalarType, double>();
        foreach (var method in Strategies.Keys)
            foreach (var (dtype, sizes) in new (ScalarType, double[])[]
            {
                (ScalarType.Float32, [1e30, 1e18, 1e-30]), (ScalarType.Float64, [1e38, 1e300, 1e-50]),
                (ScalarType.BFloat16, [1e38, 1e-30]), (ScalarType.Float16, [6e4, 6e-8]),
            })
                foreach (var size in sizes)
                    cases.Add(method, dtype, size);
        return cases;
    }

    [Theory, MemberData(nameof(Sizes))]
    public void A_finite_gradient_that_is_not_zero_is_a_step_and_leaves_finite_numbers(string method, ScalarType dtype, double size)
    {
        using var scope = NewDisposeScope();
        using var weight = new Parameter(randn(6, 16, dtype: ScalarType.Float32).to(dtype));
        using var optimizer = Strategies[method]()([("layer.weight", weight)]).CreateOptimizer(lr: 1e-3);

        for (var step = 1; step <= 7; step++)
        {
            // Odd steps are usual ones: what a huge gradient leaves behind has to be of use to them.
            weight.grad = Draw.Normal(6, 16, (ulong)step).clamp_(-1, 1).mul_(step % 2 == 0 ? size : Math.Min(1, size)).to(dtype);
            optimizer.step();
        }

        optimizer.SkippedUpdates.Should().Be(0);
        weight.isfinite().all().ToBoolean().Should().BeTrue();
        optimizer.StateOf(weight).Tensors.Where(pair => pair.Value.is_floating_point() && pair.Key != "limiter_norm")
            .Where(pair => !pair.Value.isfinite().all().ToBoolean()).Should().BeEmpty();
    }

    [Theory]
    [InlineData(ScalarType.Float32, 1e30), InlineData(ScalarType.Float64, 1e300), InlineData(ScalarType.Float64, 1e-60), InlineData(ScalarType.Float32, 1e-40)]
    public void Rules_without_squares_take_the_gradient_as_it_is(ScalarType dtype, double size)
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var (weight, gradient) = (zeros(2, 3, dtype), full(new long[] { 2, 3 }, size, dtype));

        ((UpdateRule)new SgdRule { Momentum = 0 }).AddUpdate(gradient, weight, -1, state, new StepContext { Step = 1 });

        weight.add(gradient).eq(0).all().ToBoolean().Should().BeTrue();
        weight.ne(0).all().ToBoolean().Should().BeTrue();
    }

    [Fact]
    public void Accumulated_gradients_whose_squares_vanish_are_not_zero()
    {
        using var scope = NewDisposeScope();
        using var weight = new Parameter(zeros(6, 16));
        using var optimizer = new GaLore { Rank = 3 }.Attach([("layer.weight", weight)]).CreateOptimizer(lr: 1);
        weight.grad = Draw.Normal(6, 16, 1).to(ScalarType.Float32);
        optimizer.step();

        weight.grad = Draw.Normal(6, 16, 2).mul(1e-30).to(ScalarType.Float32);
        optimizer.accumulate().Should().Be(1);
        optimizer.step();

        optimizer.SkippedUpdates.Should().Be(0);
    }

    [Theory]
    [InlineData(float.NaN), InlineData(float.PositiveInfinity), InlineData(float.NegativeInfinity)]
    public void What_is_not_finite_is_refused_beside_huge_entries_too(float broken)
    {
        foreach (var (method, attach) in Strategies)
        {
            using var scope = NewDisposeScope();
            using var weight = new Parameter(zeros(6, 16));
            using var optimizer = attach()([("layer.weight", weight)]).CreateOptimizer(lr: 1e-3);

            for (var step = 1; step <= 2; step++)
            {
                var gradient = Draw.Normal(6, 16, 1).to(ScalarType.Float32).mul(1e30);
                gradient[2, 3] = tensor(broken);
                weight.grad = gradient;
                optimizer.step();
            }

            optimizer.NonFiniteGradients.Should().Be(2, method);
            weight.eq(0).all().ToBoolean().Should().BeTrue(method);
        }
    }
}
