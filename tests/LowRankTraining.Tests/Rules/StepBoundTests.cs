using FluentAssertions;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Rules;

/// <summary>How far an entry can step, over gradients as language models and networks of ReLU give them.</summary>
public class StepBoundTests
{
    private const long Rows = 64, Columns = 128;
    private const double Beta1 = 0.9, Beta2 = 0.999, Spike = (1 - Beta1) / 0.0316227766;

    /// <summary>By Cauchy and Schwarz, for gradients that grow as (β₁/β₂)⁻ᵏ: no gradients whatever make Adam step further.</summary>
    private static readonly double AnyGradients = Spike / Math.Sqrt(1 - Beta1 * Beta1 / Beta2);

    private static readonly Dictionary<string, StateFormat> Formats = new()
    {
        ["float32"] = StateFormat.Float32,
        ["bfloat16"] = StateFormat.BFloat16,
        ["8 bits"] = StateFormat.Blockwise8Bit,
        ["8 bits, long blocks"] = StateFormat.Blockwise8Bit with { Block = 2048 },
        ["8 bits, companded"] = StateFormat.Companded8Bit,
        ["4 bits"] = StateFormat.Blockwise4Bit,
    };

    private static readonly Dictionary<string, Func<int, Generator, Tensor>> Data = new()
    {
        ["zero after the first steps"] = (t, draw) => Noise(draw, 1e-4).Edited(g => g[0, 0] = tensor(1f)).mul_(t < 5 ? 1 : 0).Edited(g => g[0, 0] = tensor(1f)),
        ["rows absent"] = (_, draw) => Noise(draw, 1).mul_(rand(Rows, 1, generator: draw).lt(0.05)).Edited(g => g[0] = randn(Columns, generator: draw)),
        ["units that die"] = (t, draw) => Noise(draw, 1e-3).mul_(arange(Rows).unsqueeze(1).gt(t)).Edited(g => g[63] = randn(Columns, generator: draw)),
        ["single huge entries"] = (t, draw) => Noise(draw, 1e-3).Edited(g => g[t % Rows, 7 * t % Columns] = tensor(1e4f)),
        ["entries of 1e30"] = (t, draw) => Noise(draw, 1).Edited(g => g[t % 3, t % 5] = tensor(-1e30f)),
        ["denormals"] = (t, draw) => Noise(draw, 1e-41).Edited(g => g[0, t % 4] = tensor(1f)),
        ["scales of all kinds"] = (t, draw) => Noise(draw, 1).mul_(pow(10, (rand(Rows, Columns, generator: draw) * 60).sub_(30))).mul_(t % 4 == 0 ? 1 : 0)
            .Edited(g => g[1, 1] = tensor(1f)),
    };

    private static readonly Dictionary<string, IBasis> Bases = new()
    {
        ["warm"] = new WarmStartedBasis(),
        ["exact"] = new ExactSvdBasis(),
        ["Gaussian"] = new GaussianBasis(),
        ["orthonormal"] = new RandomOrthonormalBasis(),
        ["coordinates"] = new CoordinateBasis(),
        ["cosines"] = new DctBasis(),
    };

    public static TheoryData<string, string, string> FormatsRulesAndData()
    {
        var cases = new TheoryData<string, string, string>();
        foreach (var format in Formats.Keys)
            foreach (var rule in (string[])["Adam", "Adam without correction", "RMSProp", "Adam of heavy β₂"])
                foreach (var data in Data.Keys)
                    cases.Add(format, rule, data);
        return cases;
    }

    [Theory]
    [MemberData(nameof(FormatsRulesAndData))]
    public void No_entry_steps_further_than_the_rule_can(string format, string rule, string data)
    {
        var (inner, limit) = Rule(rule, Formats[format], data);

        LongestStep(inner, Data[data]).Should().BeLessThan(format == "float32" ? 1.001 * limit : 1.5001 * limit);
    }

    [Theory]
    [InlineData("float32", "warm"), InlineData("float32", "coordinates"), InlineData("8 bits", "warm")]
    [InlineData("8 bits, companded", "warm"), InlineData("8 bits, companded", "coordinates")]
    [InlineData("8 bits", "exact"), InlineData("8 bits", "Gaussian")]
    [InlineData("8 bits", "orthonormal"), InlineData("8 bits", "coordinates"), InlineData("8 bits", "cosines")]
    [InlineData("4 bits", "warm"), InlineData("bfloat16", "warm")]
    public void No_entry_steps_further_inside_any_subspace(string format, string basis)
    {
        foreach (var (data, make) in Data)
        {
            var spy = new WatchedLift();
            var rule = new SubspaceRule { Rank = 48, RefreshEvery = 10, Basis = Bases[basis], Inner = new AdamRule { States = Formats[format] }, Lift = spy };

            LongestStep(rule, make, spy).Should().BeLessThan(format == "float32" ? AnyGradients : 1.5001 * Spike, data);
        }
    }

    public static TheoryData<string, double> ScalingMethodsAndLeaks
    {
        get
        {
            var data = new TheoryData<string, double>();
            string[] methods = ["fira", "balanced", "subtrack", "apollo", "apollo-mini"];
            var withBases = new[] { "coordinate", "dct", "gram" }.Select(basis => $$"""{ "Method": "apollo", "Basis": "{{basis}}" }""");
            foreach (var method in methods.Concat(withBases))
                foreach (var leak in new[] { 0, 1e-6, 1e-3 })
                    data.Add(method, leak);
            return data;
        }
    }

    /// <summary>As an action of a policy, or a task of several, has the rows of a head nearly to itself: no subspace of the first gradients holds the
    /// next.</summary>
    [Theory, MemberData(nameof(ScalingMethodsAndLeaks))]
    public void Steps_stay_near_where_one_row_at_a_time_has_a_gradient(string name, double leak) =>
        RequireBound(name, (t, draw) => Noise(draw, 1).Edited(g => g.mul_(arange(Rows).eq(t % 3).unsqueeze(1)))
            .Edited(g => g[0].add_(randn(Columns, generator: draw), leak)), bound: 10 * AnyGradients);

    /// <summary>What a subspace holds of most columns is the leak. ‖Gⱼ‖ ≤ 10 √(s/r) ‖Rⱼ‖ where a column is measured, and ‖Nⱼ‖ ≤ √r max |N|.</summary>
    [Theory, MemberData(nameof(ScalingMethodsAndLeaks))]
    public void Steps_stay_near_where_each_column_has_a_row_to_itself(string name, double leak) =>
        RequireBound(name, (_, draw) => eye(Rows, Columns).Edited(g => g.add_(Noise(draw, 1), leak)), bound: 10 * Math.Sqrt(Rows) * AnyGradients);

    private static void RequireBound(string name, Func<int, Generator, Tensor> gradientAt, double bound)
    {
        using var scope = NewDisposeScope();
        using var layer = nn.Linear(Columns, Rows, hasBias: false);
        var method = (GradientSpaceMethod)LowRankStrategies.Parse(name) with { Rank = 4, RefreshEvery = 5, Scale = 1 };
        using var optimizer = method.Attach(layer).CreateOptimizer(lr: 1);
        using var draw = new Generator(3);
        for (var t = 0; t < 20; t++)
        {
            var before = layer.weight!.detach().clone();
            layer.weight.grad = gradientAt(t, draw);
            optimizer.step();

            (layer.weight - before).abs().max().ToDouble().Should().BeLessThan(bound);
        }
    }

    [Fact]
    public void An_8_bit_entry_of_small_gradients_that_cease_moves_no_further_than_with_float32()
    {
        double Moved(StateFormat states)
        {
            using var scope = NewDisposeScope();
            using var state = new StateBag();
            var (rule, weight) = (new AdamRule { States = states }, zeros(Rows, Columns));
            for (var t = 1; t <= 40; t++)
            {
                var gradient = zeros(Rows, Columns).Edited(g => (g[0, 0], g[0, 1]) = (tensor(1f), tensor(t <= 3 ? 1e-4f : 0)));
                rule.AddUpdate(gradient, weight, 1, state, new StepContext { Step = t });
            }

            return weight[0, 1].abs().ToDouble();
        }

        Moved(StateFormat.Float32).Should().BeGreaterThan(0.5);
        Moved(StateFormat.Blockwise8Bit).Should().BeLessThan(1.5 * Moved(StateFormat.Float32));
    }

    public static TheoryData<float, string> SmallInEightBits
    {
        get
        {
            var data = new TheoryData<float, string>();
            foreach (var small in new[] { 1e-30f, 1e-12f, 1e-3f })
                foreach (var format in new[] { "8 bits", "8 bits, companded" })
                    data.Add(small, format);
            return data;
        }
    }

    [Theory, MemberData(nameof(SmallInEightBits))]
    public void A_positive_second_moment_never_comes_back_as_zero(float small, string format)
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var slot = new MomentSlot("exp_avg_sq", 2) { Format = Formats[format] };

        slot.Write(state, full(new long[] { 64, 64 }, small).Edited(v => (v[0, 0], v[0, 1]) = (tensor(1e8f), tensor(0f))), new StepContext { Step = 1 });
        var back = slot.Read(state, zeros(64, 64));

        back[0].slice(0, 2, 256, 1).gt(0).all().ToBoolean().Should().BeTrue();
        back[0, 1].ToSingle().Should().Be(0);
        back[0, 0].ToSingle().Should().Be(1e8f);
    }

    [Fact]
    public void A_huge_entry_leaves_moments_that_recover()
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var (rule, weight) = (new AdamRule { Beta2 = 0.9 }, zeros(4, 4));

        for (var t = 1; t <= 2000; t++)
            rule.AddUpdate(full(new long[] { 4, 4 }, t == 1 ? 1e30f : 1f), weight, 1, state, new StepContext { Step = t });

        state["exp_avg_sq"].sub(1).abs().max().ToSingle().Should().BeLessThan(1e-3f);
        weight.isfinite().all().ToBoolean().Should().BeTrue();
    }

    private static (DirectionRule Rule, double Limit) Rule(string name, StateFormat states, string data)
    {
        // Gradients that come back after a pause, some steps in a row, take float32 itself beyond the step of a single one.
        var spike = states == StateFormat.Float32 && data is "rows absent" or "entries of 1e30" ? AnyGradients : Spike;
        return name switch
        {
            "Adam" => (new AdamRule { States = states }, spike),
            "Adam without correction" => (new AdamRule { States = states, BiasCorrection = false }, states == StateFormat.Float32 ? AnyGradients : Spike),
            "RMSProp" => (new RmsPropRule { States = states }, 1 / Math.Sqrt(1 - 0.9)),
            _ => (new AdamRule { States = states, Beta2 = 0.95 }, states == StateFormat.Float32 ? 0.1 / Math.Sqrt(0.05) / Math.Sqrt(1 - 0.81 / 0.95) + 0.2 : 1),
        };
    }

    private static double LongestStep(UpdateRule rule, Func<int, Generator, Tensor> data, WatchedLift? spy = null)
    {
        using var draw = new Generator(3);
        using var state = new StateBag();
        var longest = 0.0;
        for (var t = 1; t <= 60; t++)
        {
            using var scope = NewDisposeScope();
            var update = zeros(Rows, Columns);
            rule.AddUpdate(data(t, draw), update, 1, state, new StepContext { Step = t, Parameter = "w" });

            longest = Math.Max(longest, update.abs().max().ToDouble());
        }

        return Math.Max(longest, spy?.Longest ?? 0);
    }

    /// <summary>Takes no step, and looks how far the longest one inside the subspace would have been.</summary>
    private sealed class WatchedLift : ILift
    {
        public double Longest { get; private set; }

        public bool NeedsOrthonormalBasis => false;

        public void AddTo(Tensor accumulator, in LowRankStep lowRank, double scale, StateBag state) =>
            Longest = Math.Max(Longest, lowRank.Direction.abs().max().ToDouble() * lowRank.Correction);
    }

    private static Tensor Noise(Generator draw, double size) => randn(Rows, Columns, generator: draw).mul_(size);
}

file static class Editing
{
    public static Tensor Edited(this Tensor tensor, Action<Tensor> edit)
    {
        edit(tensor);
        return tensor;
    }
}
