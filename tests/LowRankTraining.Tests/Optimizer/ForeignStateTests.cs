using FluentAssertions;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Optimizer;

/// <summary>State that was laid out otherwise is refused before anything is changed.</summary>
public class ForeignStateTests
{
    private static readonly Dictionary<string, Func<ILowRankStrategy>> Methods = new()
    {
        ["galore"] = () => new GaLore { Rank = 2 },
        ["galore, bfloat16 moments"] = () => new GaLore { Rank = 2, States = StateFormat.BFloat16 },
        ["galore, 8-bit moments"] = () => new GaLore { Rank = 2, States = StateFormat.Blockwise8Bit with { Threshold = 8 } },
        ["galore, 8-bit moments, other blocks"] = () => new GaLore { Rank = 2, States = StateFormat.Blockwise8Bit with { Threshold = 8, Block = 64 } },
        ["galore, bfloat16 basis"] = () => new GaLore { Rank = 2, BasisFormat = StateFormat.BFloat16 },
        ["galore, cosines"] = () => new GaLore { Rank = 2, Basis = new DctBasis() },
        ["galore, both sides"] = () => new GaLore { Rank = 2, Side = ProjectionSide.Both },
        ["ldadam"] = () => new LDAdam { Rank = 2 },
        ["ldadam, no feedback"] = () => new LDAdam { Rank = 2, Feedback = null },
        ["ldadam, bfloat16 error"] = () => new LDAdam { Rank = 2, Feedback = StateFormat.BFloat16 },
        ["apollo"] = () => new Apollo { Rank = 2 },
        ["frugal"] = () => new Frugal(),
        ["frugal, blocks"] = () => new Frugal { ByBlocks = true },
        ["adarankgrad"] = () => new AdaRankGrad { Rank = 2 },
        ["gradnormlorp"] = () => new GradNormLoRP { Rank = 2 },
    };

    public static TheoryData<string, string> Pairs
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (var other in Methods.Keys.Where(name => name != "galore"))
                data.Add("galore", other);
            data.Add("galore, 8-bit moments", "galore, 8-bit moments, other blocks");
            data.Add("ldadam", "ldadam, no feedback");
            data.Add("ldadam, no feedback", "ldadam, bfloat16 error");
            data.Add("frugal", "frugal, blocks");
            return data;
        }
    }

    [Theory]
    [InlineData(ScalarType.Float32, ScalarType.BFloat16)]
    [InlineData(ScalarType.BFloat16, ScalarType.Float32)]
    [InlineData(ScalarType.Float16, ScalarType.BFloat16)]
    public void State_of_half_precision_weights_is_float32_and_goes_both_ways(ScalarType saved, ScalarType loading)
    {
        using var scope = NewDisposeScope();
        using Linear from = nn.Linear(12, 8, dtype: saved), to = nn.Linear(12, 8, dtype: loading);
        using var source = Methods["galore"]().Attach(from).CreateOptimizer();
        using var target = Methods["galore"]().Attach(to).CreateOptimizer();
        StepInItsDtype(source, from);

        target.load_state_dict(new BinaryReader(new MemoryStream(Bytes(source))));
        StepInItsDtype(target, to);

        target.CompletedSteps.Should().Be(2);
        to.weight!.isfinite().all().ToBoolean().Should().BeTrue();
    }

    [Theory, MemberData(nameof(Pairs))]
    public void State_of_another_layout_is_refused(string saved, string loading)
    {
        using var scope = NewDisposeScope();
        using Linear from = nn.Linear(12, 8, hasBias: false), to = nn.Linear(12, 8, hasBias: false);
        using var source = Methods[saved]().Attach(from).CreateOptimizer();
        using var target = Methods[loading]().Attach(to).CreateOptimizer();
        LowRankOptimizerTests.Step(source, from.weight!);
        LowRankOptimizerTests.Step(target, to.weight!);
        var before = Bytes(target);

        var load = () => target.load_state_dict(new BinaryReader(new MemoryStream(Bytes(source))));

        load.Should().Throw<InvalidDataException>().WithMessage("*Nothing was changed*");
        Bytes(target).Should().Equal(before);
    }

    private static void StepInItsDtype(LowRankOptimizer optimizer, Linear layer)
    {
        layer.weight!.grad = Draw.Normal(8, 12, 1).to(layer.weight.dtype);
        optimizer.step();
    }

    private static byte[] Bytes(LowRankOptimizer optimizer)
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        optimizer.save_state_dict(writer);
        return stream.ToArray();
    }
}
