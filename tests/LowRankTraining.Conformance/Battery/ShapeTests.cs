using FluentAssertions;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Battery;

/// <summary>Every method takes every shape.</summary>
public class ShapeTests
{
    public static TheoryData<string, int, int, int> Shapes
    {
        get
        {
            var data = new TheoryData<string, int, int, int>();
            foreach (var method in Methods.ByName.Keys)
                foreach (var (rows, columns, rank) in new[] { (1, 9, 4), (9, 1, 4), (1, 1, 1), (24, 10, 4), (10, 24, 4), (16, 16, 4), (8, 6, 20), (6, 8, 20),
                    (8, 8, 8), (12, 7, 1) })
                    data.Add(method, rows, columns, rank);
            return data;
        }
    }

    [Theory, MemberData(nameof(Shapes))]
    public void Matrix_of_any_shape_is_trained(string method, int rows, int columns, int rank)
    {
        using var scope = NewDisposeScope();
        manual_seed(4);
        using var model = new Problems.OneMatrix(rows, columns);
        using var optimizer = Methods.Make(method, rank).Attach(model).CreateOptimizer(lr: 0.01);
        var input = Problems.Data(32, columns, seed: 5);
        var target = input.mm(Problems.Data(columns, rows, seed: 6));

        var losses = Enumerable.Range(1, 60).Select(_ => Problems.Step(model, optimizer, input, target)).ToArray();

        losses.Should().OnlyContain(loss => double.IsFinite(loss));
        losses[^1].Should().BeLessThan(losses[0]);
        optimizer.SkippedUpdates.Should().Be(0);
    }

    [Theory, MemberData(nameof(Methods.All), MemberType = typeof(Methods))]
    public void Vectors_are_trained_by_the_full_rank_rule(string method)
    {
        manual_seed(5);
        using var model = new Problems.Mlp();
        using var optimizer = Methods.Make(method).Attach(model).CreateOptimizer(lr: 0.01);
        var before = model.get_parameter("first.bias")!.detach().clone();

        Problems.Train(model, optimizer, 1, 3);

        var bias = optimizer.Session.Parameters.Single(plan => plan.Name == "first.bias");
        optimizer.StateOf(bias.Parameter).Tensors.Values.Should().OnlyContain(tensor => tensor.dim() == 0 || tensor.shape.SequenceEqual(bias.Parameter.shape));
        model.get_parameter("first.bias")!.allclose(before).Should().BeFalse();
    }
}
