using FluentAssertions;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Adapters;
using LowRankTraining.Tests.Strategies;
using TorchSharp;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Planning;

/// <summary>One planner for every method, before anything is attached.</summary>
public class PlanOfAnyMethodTests
{
    public static TheoryData<string> Methods => [.. LowRankStrategies.All.Select(method => method.Name)];

    [Theory, MemberData(nameof(Methods))]
    public void Plan_for_a_model_is_what_its_session_has_and_the_model_stays(string name)
    {
        using var model = Seeded(new OpenNetwork());
        var before = Weights(model);
        var method = OptionTrial.Asking(LowRankStrategies.Create(name));

        var plan = MemoryPlan.For(model, method);

        Weights(model).Should().BeEquivalentTo(before);
        using var session = method.Attach(model);
        var attached = MemoryPlan.For(session);
        (plan.WeightBytes, plan.GradientBytes, plan.StateBytes, plan.FrozenBytes)
            .Should().Be((attached.WeightBytes, attached.GradientBytes, attached.StateBytes, attached.FrozenBytes));
        plan.Parameters.Select(parameter => parameter.Name).Should().BeEquivalentTo(attached.Parameters.Select(parameter => parameter.Name));
    }

    [Theory, MemberData(nameof(Methods))]
    public void Plan_for_names_and_shapes_is_that_for_the_model(string name)
    {
        using var model = Seeded(new OpenNetwork());
        var method = LowRankStrategies.Create(name);
        var shapes = model.named_parameters().Select(pair => (pair.name, pair.parameter.shape));

        // What it takes depends on the values.
        if (name == "welore")
            return;
        MemoryPlan.For(shapes, method).Parameters.Should().BeEquivalentTo(MemoryPlan.For(model, method).Parameters);
    }

    [Theory]
    [InlineData("lora"), InlineData("relora"), InlineData("dora"), InlineData("sltrain"), InlineData("factorized"), InlineData("spectron")]
    public void Plan_follows_the_line_of_the_table(string name)
    {
        const int M = 96, N = 64, R = 8;
        ILowRankStrategy method = name switch
        {
            "lora" => new LoRA { Rank = R },
            "relora" => new ReLoRA { Rank = R },
            "dora" => new DoRA { Rank = R },
            "sltrain" => new SLTrain { Rank = R, Density = 0.1 },
            "spectron" => new Spectron { Rank = R },
            _ => new LowRankFactorization { Rank = R },
        };
        var line = name switch
        {
            "dora" => WeightSpaceMemory.Dora(M, N, R),
            "sltrain" => WeightSpaceMemory.SparseLowRank(M, N, R, 0.1),
            "factorized" => WeightSpaceMemory.Factorized(M, N, R),
            "spectron" => WeightSpaceMemory.Spectron(M, N, R),
            _ => WeightSpaceMemory.LowRank(M, N, R),
        };

        foreach (var (dtype, bytes) in new[] { (ScalarType.Float32, NumberBytes.Float32), (ScalarType.BFloat16, NumberBytes.BFloat16) })
        {
            var plan = MemoryPlan.For([("proj.weight", new long[] { M, N })], method, dtype);

            ((double)(plan.WeightBytes + plan.FrozenBytes + plan.GradientBytes + plan.StateBytes)).Should().Be(line.Bytes(bytes), dtype.ToString());
        }
    }
}
