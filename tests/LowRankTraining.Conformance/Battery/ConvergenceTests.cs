using FluentAssertions;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Battery;

/// <summary>Every method solves small problems.</summary>
public class ConvergenceTests
{
    [Theory, MemberData(nameof(Methods.All), MemberType = typeof(Methods))]
    public void Quadratic_is_minimised(string method)
    {
        using var scope = NewDisposeScope();
        manual_seed(1);
        using var model = new Problems.OneMatrix(12, 20);
        using var optimizer = Methods.Make(method, rank: 12).Attach(model).CreateOptimizer(lr: 0.02);
        var everyInput = eye(20, device: TestDevice.Current);
        var goal = Problems.Data(20, 12, seed: 3);

        var losses = Enumerable.Range(1, 400).Select(_ => Problems.Step(model, optimizer, everyInput, goal)).ToArray();

        losses[^1].Should().BeLessThan(losses[0] / 50);
    }

    [Theory, MemberData(nameof(Methods.All), MemberType = typeof(Methods))]
    public void Low_rank_regression_is_learnt(string method)
    {
        using var scope = NewDisposeScope();
        manual_seed(2);
        using var model = new Problems.OneMatrix(16, 24);
        using var optimizer = Methods.Make(method, rank: 8).Attach(model).CreateOptimizer(lr: 0.02);
        var truth = Problems.Data(24, 3, seed: 4).mm(Problems.Data(3, 16, seed: 5)) / 4;

        double first = 0, last = 0;
        for (var step = 1; step <= 400; step++)
        {
            using var batch = NewDisposeScope();
            var input = Problems.Data(32, 24, Problems.StepKey(step));
            last = Problems.Step(model, optimizer, input, input.mm(truth));
            first = step == 1 ? last : first;
        }

        last.Should().BeLessThan(first / 10);
    }

    [Theory, MemberData(nameof(Methods.All), MemberType = typeof(Methods))]
    public void Small_network_is_trained(string method)
    {
        manual_seed(3);
        using var model = new Problems.Mlp();
        using var optimizer = Methods.Make(method, rank: 6).Attach(model).CreateOptimizer(lr: 0.01);

        var first = Problems.Train(model, optimizer, 1, 1);
        var last = Problems.Train(model, optimizer, 2, 400);

        last.Should().BeLessThan(first / 3);
    }
}
