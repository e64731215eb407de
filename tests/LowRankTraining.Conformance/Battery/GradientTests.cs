using FluentAssertions;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Battery;

/// <summary>What every method does with a gradient that is absent, zero or broken.</summary>
public class GradientTests
{
    public static TheoryData<string, string, int> Refused
    {
        get
        {
            var data = new TheoryData<string, string, int>();
            foreach (var method in Methods.ByName.Keys.Where(name => !name.Contains("reference", StringComparison.Ordinal)))
                foreach (var kind in new[] { "zero", "NaN", "infinity" })
                    foreach (var step in new[] { 1, 3, Methods.Period + 1 })
                        data.Add(method, kind, step);
            return data;
        }
    }

    [Theory, MemberData(nameof(Refused))]
    public void Zero_or_broken_gradient_changes_nothing_and_is_counted(string method, string kind, int atStep)
    {
        using var scope = NewDisposeScope();
        manual_seed(6);
        using var model = new Problems.Mlp();
        using var optimizer = Methods.Make(method).Attach(model).CreateOptimizer(lr: 0.01, weight_decay: 0.1);
        Problems.Train(model, optimizer, 1, atStep - 1);
        optimizer.Session.Parameters.ToList().ForEach(plan => plan.Parameter.grad = null);
        // A factor whose partner has just been zeroed has a zero gradient by construction: its plan takes that as a step like any other.
        var plans = optimizer.Session.Parameters.Where(plan => plan.Parameter.requires_grad && !(kind == "zero" && plan.AcceptZeroGradient)).ToArray();
        var weights = plans.Select(plan => Weight(plan).clone()).ToArray();
        var states = plans.Select(plan => Snapshot(optimizer.StateOf(plan.Parameter))).ToArray();
        var skipped = optimizer.SkippedUpdates;

        foreach (var plan in plans)
            plan.Parameter.grad = Broken(plan, kind);
        optimizer.step();

        plans.Zip(weights).Should().OnlyContain(pair => Weight(pair.First).allclose(pair.Second, 0, 0));
        plans.Select(plan => Snapshot(optimizer.StateOf(plan.Parameter))).Should().BeEquivalentTo(states, options => options.WithStrictOrdering());
        (optimizer.SkippedUpdates - skipped).Should().Be(plans.Length);
        optimizer.NonFiniteGradients.Should().Be(kind == "zero" ? 0 : plans.Length);
    }

    [Theory, MemberData(nameof(Methods.All), MemberType = typeof(Methods))]
    public void Absent_gradient_is_left_alone(string method)
    {
        using var scope = NewDisposeScope();
        manual_seed(7);
        using var model = new Problems.Mlp();
        using var optimizer = Methods.Make(method).Attach(model).CreateOptimizer(lr: 0.01, weight_decay: 0.1);
        var (before, bytes) = (Problems.Bits(model), optimizer.StateBytes);

        optimizer.step();

        Problems.Bits(model).Should().Equal(before);
        optimizer.StateBytes.Should().Be(bytes);
        optimizer.SkippedUpdates.Should().Be(0);
    }

    [Theory, MemberData(nameof(Methods.All), MemberType = typeof(Methods))]
    public void Training_goes_on_after_a_broken_gradient(string method)
    {
        using var scope = NewDisposeScope();
        manual_seed(8);
        using var model = new Problems.Mlp();
        using var optimizer = Methods.Make(method, rank: 6).Attach(model).CreateOptimizer(lr: 0.01);
        var first = Problems.Train(model, optimizer, 1, 1);

        foreach (var plan in optimizer.Session.Parameters)
            plan.Parameter.grad = Broken(plan, "NaN");
        optimizer.step();
        var last = Problems.Train(model, optimizer, 2, 300);

        last.Should().BeLessThan(first / 2);
    }

    private static Tensor Weight(ParameterPlan plan) => plan.Store?.Open() ?? plan.Parameter.detach();

    private static Tensor Broken(ParameterPlan plan, string kind)
    {
        var gradient = kind == "zero" ? zeros(plan.Shape, plan.Parameter.dtype) : ones(plan.Shape, plan.Parameter.dtype);
        if (kind != "zero")
            gradient.view(-1).narrow(0, 0, 1).fill_(kind == "NaN" ? double.NaN : double.PositiveInfinity);
        return gradient.detach();
    }

    private static object Snapshot(StateBag bag) => new
    {
        Counters = bag.Counters.ToDictionary(),
        Tensors = bag.Tensors.ToDictionary(slot => slot.Key, slot => Deviation(slot.Value)),
    };

    private static double[] Deviation(Tensor tensor) => Golden.Deviation.Values(tensor);
}
