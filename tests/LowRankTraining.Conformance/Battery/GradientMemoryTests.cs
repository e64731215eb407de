using FluentAssertions;
using LowRankTraining.ByteCounting;
using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Battery;

/// <summary>What a forward pass keeps, and what a backward pass leaves behind in methods of weight space: the gradients of factors, and none of a
/// weight.</summary>
public class GradientMemoryTests
{
    private const int Side = 256, Rank = 8, Layers = 4;

    public static TheoryData<string> Methods => [.. Named.Keys];

    private static Dictionary<string, (WeightSpaceMethod Method, long Extra)> Named { get; } = new()
    {
        ["relora, replaced"] = (new ReLoRA { Rank = Rank, MergeEvery = 100, Injection = Injection.Replace }, 0),
        ["relora, hooked"] = (new ReLoRA { Rank = Rank, MergeEvery = 100, Injection = Injection.Hook }, 0),
        ["relora, shadowed"] = (new ReLoRA { Rank = Rank, MergeEvery = 100, Injection = Injection.Shadow }, 0),
        ["lora, shadowed"] = (new LoRA { Rank = Rank, Injection = Injection.Shadow }, 0),
        ["dora"] = (new DoRA { Rank = Rank }, Side),
        ["switchlora"] = (new SwitchLoRA { Rank = Rank }, 0),
        ["sltrain, shadowed"] = (new SLTrain { Rank = Rank, Density = 0.0625, Injection = Injection.Shadow }, Side * Side / 16),
    };

    [CountedTheory, MemberData(nameof(Methods))]
    public void Gradients_take_what_those_of_the_factors_take_to_the_byte(string name)
    {
        var (method, extra) = Named[name];
        using var scope = NewDisposeScope();
        using var model = nn.Sequential(Enumerable.Range(0, Layers)
            .Select(layer => ($"layer{layer}", (nn.Module<Tensor, Tensor>)nn.Linear(Side, Side, hasBias: false))));
        using var session = method.Attach(model, Targets.AllLinear(), GradientFlow.Projected);
        using var optimizer = session.CreateOptimizer(1e-3);
        var input = Problems.Data(32, Side, seed: 1).requires_grad_();

        // The first two steps decide which hooks run, and draw what is not there yet.
        for (var step = 0; step < 2; step++)
        {
            Backward(model, input);
            optimizer.step();
            Drop(model, optimizer, input);
        }

        Backward(model, input);
        session.Layers.Should().OnlyContain(layer => !HasGradient(model, layer.Name));
        var before = Live();
        Drop(model, optimizer, null);

        (before - Live()).Should().Be(Layers * 4 * (2 * Rank * Side + extra));
    }

    /// <summary>Without a dispose scope around the layers, as most programs are written: the outputs that the next layer needs, and rows of rank r.</summary>
    [CountedTheory]
    [InlineData("galore", 0)]
    [InlineData("q-galore", 0)]
    [InlineData("relora", 0)]
    [InlineData("prilora", 0)]
    [InlineData("sltrain", 0)]
    [InlineData("lora, NF4", 2 * Rank)]
    [InlineData("relora, hook", 2 * Rank)]
    public void Forward_pass_keeps_what_that_of_the_plain_model_keeps(string name, int hidden)
    {
        const int Rows = 512;
        using var scope = NewDisposeScope();
        using var input = Problems.Data(Rows, Side, seed: 1);
        using var model = nn.Sequential(nn.Linear(Side, Side), nn.Tanh(), nn.Linear(Side, Side), nn.Tanh(), nn.Linear(Side, Side));
        var plain = Kept();
        using var optimizer = Battery.Methods.ByName[name](Rank).Attach(model, Targets.AllLinear(), GradientFlow.Projected).CreateOptimizer(1e-3);
        for (var step = 0; step < 2; step++)
        {
            Backward(model, input);
            optimizer.step();
            optimizer.zero_grad();
        }

        (Kept() - plain).Should().BeInRange(-4096, 3 * 4 * Rows * hidden + 4096, "one output takes {0}", 4 * Rows * Side);

        long Kept()
        {
            var before = Live();
            using var output = model.call(input);
            return Live() - before;
        }
    }

    private static void Backward(nn.Module<Tensor, Tensor> model, Tensor input)
    {
        using var scope = NewDisposeScope();
        model.call(input).square().mean().backward();
    }

    private static bool HasGradient(nn.Module model, string name)
    {
        using var gradient = model.get_parameter(name)?.grad;
        return gradient is not null;
    }

    private static void Drop(nn.Module model, LowRankOptimizer optimizer, Tensor? input)
    {
        using var scope = NewDisposeScope();
        optimizer.zero_grad();
        foreach (var parameter in model.parameters())
            parameter.grad = null;
        if (input is not null)
            input.grad = null;
    }

    private static long Live()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return ByteCounter.Live;
    }
}
