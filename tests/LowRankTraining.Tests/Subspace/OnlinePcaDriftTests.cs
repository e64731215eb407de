using FluentAssertions;
using LowRankTraining.Numerics;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Subspace;

public class OnlinePcaDriftTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Basis_descends_the_gradient_that_autograd_finds(bool orthonormal)
    {
        using var scope = NewDisposeScope();
        var matrix = Draw.Normal(7, 11, 1);
        var basis = orthonormal ? Draw.Basis(7, 3, 2) : 0.5 * Draw.Normal(7, 3, 2);
        using var state = new StateBag();
        var drift = new OnlinePcaDrift { LearningRate = 0.25, UsesAdam = false, Orthonormalizes = false };

        var moved = drift.Move(Seen(matrix, basis), basis, state, new StepContext { Step = 2 });

        Draw.Error((basis - moved) / 0.25, Gradient(matrix, basis)).Should().BeLessThan(1e-7);
    }

    [Fact]
    public void Pace_is_that_of_the_weights_and_decay_shrinks_the_basis()
    {
        using var scope = NewDisposeScope();
        var (matrix, basis) = (Draw.Normal(7, 11, 1), Draw.Basis(7, 3, 2));
        using var state = new StateBag();
        var drift = new OnlinePcaDrift { LearningRate = 0.25, WeightDecay = 0.5, UsesAdam = false, Orthonormalizes = false };

        var moved = drift.Move(Seen(matrix, basis), basis, state, new StepContext { Step = 2, LearningRateShare = 0.5 });

        Draw.Error(moved, basis * (1 - 0.125 * 0.5) - 0.125 * Gradient(matrix, basis)).Should().BeLessThan(1e-7);
    }

    [Theory]
    [InlineData(7, 11)]
    [InlineData(11, 7)]
    public void Strategy_moves_its_basis_after_every_update_but_the_first(int rows, int columns)
    {
        using var scope = NewDisposeScope();
        using var weight = new Parameter(zeros(rows, columns, ScalarType.Float64));
        var options = new OnlineSubspaceDescent { Rank = 3, ProjectorLearningRate = 0.25, ProjectorUsesAdam = false };
        using var optimizer = options.Attach([("weight", weight)]).CreateOptimizer();
        var gradient = Draw.Normal(rows, columns, 1);
        var matrix = rows < columns ? gradient : gradient.t();

        Step();
        var first = optimizer.StateOf(weight)["basis"].clone();
        Draw.Angle(first, linalg.svd(matrix, fullMatrices: false).U.narrow(1, 0, 3)).Should().BeLessThan(1e-7);

        gradient = Draw.Normal(rows, columns, 2);
        matrix = rows < columns ? gradient : gradient.t();
        Step();

        var (columnsOf, triangular) = linalg.qr(first - 0.25 * Gradient(matrix, first));
        Draw.Error(optimizer.StateOf(weight)["basis"], columnsOf * triangular.diagonal().sign()).Should().BeLessThan(1e-6);

        void Step()
        {
            weight.grad = gradient.clone();
            optimizer.step();
        }
    }

    private static Tensor Seen(Tensor matrix, Tensor basis) => matrix.mm(matrix.t().mm(basis)) / matrix.pow(2).sum();

    /// <summary>∇_P ‖P PᵀÂ − Â‖² by autograd.</summary>
    private static Tensor Gradient(Tensor matrix, Tensor basis)
    {
        using var _ = enable_grad();
        var normalized = matrix / matrix.pow(2).sum().sqrt();
        var leaf = basis.clone().detach().requires_grad_(true);
        (leaf.mm(leaf.t()).mm(normalized) - normalized).pow(2).sum().backward();
        return leaf.grad!;
    }
}
