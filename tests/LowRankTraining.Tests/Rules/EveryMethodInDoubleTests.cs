using FluentAssertions;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Rules;

/// <summary>float64 stays float64: whatever a number is changed by, the weights follow smoothly, by far less than float32 could tell apart.</summary>
/// <remarks>With f(ε) the weights after some steps where a number was multiplied by 1 + ε, f(2ε) − 2 f(ε) + f(0) is of the order of ε². A single rounding to
/// float32 on the way leaves 10⁻⁸ of the weight there, for the method and without knowing its equations.</remarks>
public class EveryMethodInDoubleTests
{
    private const double Epsilon = 1e-7;

    private static readonly string[] Numbers = ["lr", "gradient", "weight"];

    public static TheoryData<string, string> Methods
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (var method in LowRankStrategies.All.Where(method => method.Name is not ("q-galore" or "balanced")))
            {
                foreach (var number in Numbers)
                    data.Add(method.Name, number);
                foreach (var option in OptionsOf(Make(method.Name)))
                    data.Add(method.Name, option);
            }

            return data;
        }
    }

    [Theory, MemberData(nameof(Methods))]
    public void Weights_follow_smoothly(string method, string number) =>
        BendOf(change => Run(Make(method), number, change)).Should().BeLessThan(2e-11);

    private static double BendOf(Func<double, double[]> weights)
    {
        double[] plain = weights(0), once = weights(Epsilon), twice = weights(2 * Epsilon);
        return plain.Select((weight, index) => Math.Abs(twice[index] - 2 * once[index] + weight)).Max() / plain.Max(Math.Abs);
    }

    [Fact]
    public void A_single_rounding_is_noticed() =>
        BendOf(change => Run(Recipe.Of("test.rounding", new Rounding()), "lr", change)).Should().BeGreaterThan(2e-11);

    /// <summary>Adam after a cast to float32 and back.</summary>
    private sealed record Rounding : UpdateRule
    {
        private readonly AdamRule _adam = new();

        public override IEnumerable<StateSlot> SlotsFor(IReadOnlyList<long> shape) => _adam.SlotsFor(shape);

        public override void AddUpdate(Tensor gradient, Tensor accumulator, double scale, StateBag state, in StepContext step)
        {
            var update = zeros_like(accumulator);
            _adam.AddUpdate(gradient, update, scale, state, step);
            accumulator.add_(update.to(ScalarType.Float32).to(ScalarType.Float64));
        }
    }

    private static IEnumerable<string> OptionsOf(ILowRankStrategy method) => OptionTrial.OptionsOf(method.GetType())
        .Where(option =>
            option.PropertyType == typeof(double) && Checks.Of((IPart)OptionTrial.With(method, option, Changed(option.GetValue(method)!, Epsilon))).Count == 0
            && (double)option.GetValue(method)! is > 0 and < 1e6
            && option.Name is not (
                "MaxRankRatio" or "EnergyRatio" or "Density" or "Sparsity" or "RankDecay" or "Threshold" or "Dropout" or "ZeroRatio" or "Ratio"))
        .Select(option => option.Name);

    private static ILowRankStrategy Make(string name) => LowRankStrategies.Create(name) switch
    {
        Frugal frugal => frugal with { RefreshEvery = 3 },
        LDAdam ldadam => ldadam with { Rank = 3 },
        GradientSpaceMethod { Refresh: null } projecting => projecting with { Rank = 3, RefreshEvery = 3 },
        GradientSpaceMethod projecting => projecting with { Rank = 3 },
        Flora flora => flora with { Rank = 3, ResampleEvery = 3 },
        Dion dion => dion with { Rank = 3 },
        ReLoRA relora => relora with { Rank = 3, MergeEvery = 3 },
        WeightSpaceMethod { Rank: > 3 } other => other with { Rank = 3 },
        var other => other,
    };

    private static double[] Run(ILowRankStrategy method, string number, double change)
    {
        using var scope = NewDisposeScope();
        if (method.GetType().GetProperty(number) is { } option)
            method = OptionTrial.With(method, option, Changed(option.GetValue(method)!, change));
        using var model = Model();
        using var optimizer = method.Attach(model).CreateOptimizer(lr: number == "lr" ? 0.01 * (1 + change) : 0.01, weight_decay: 0.1);
        for (ulong step = 1; step <= 5; step++)
        {
            optimizer.zero_grad();
            var input = Draw.Normal([6, 10], 10 + step);
            (model.call(input) - input.narrow(1, 0, 8)).square().mean().mul(1 + (number == "gradient" ? change : 0)).backward();
            optimizer.step();
        }

        optimizer.Session.Finish();
        return [.. model.parameters().SelectMany(parameter => parameter.detach().reshape(-1).data<double>().ToArray())];

        Sequential Model()
        {
            var plain =
                nn.Sequential(("first", nn.Linear(10, 12, dtype: ScalarType.Float64)), ("tanh", nn.Tanh()),
                    ("second", nn.Linear(12, 8, dtype: ScalarType.Float64)));
            using var guard = no_grad();
            foreach (var (_, parameter) in plain.named_parameters())
                parameter.copy_(Draw.Normal(parameter.shape, (ulong)parameter.NumberOfElements).mul(0.3));
            if (number == "weight")
                plain.get_parameter("first.weight")![2, 3] *= 1 + change;
            return plain;
        }
    }

    private static object Changed(object value, double change) => (double)value * (1 + change);
}
