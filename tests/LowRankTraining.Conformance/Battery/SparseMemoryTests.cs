using FluentAssertions;
using LowRankTraining.ByteCounting;
using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Planning;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Battery;

/// <summary>What a matrix takes whose weight is low-rank factors and a sparse part.</summary>
public class SparseMemoryTests
{
    /// <summary>Adam's two moments of all parts; a shadow keeps the parts with them, and the indices where they are stored.</summary>
    [Theory]
    [InlineData(Injection.Replace, true, 24, 40, 4, 2, 0)]
    [InlineData(Injection.Replace, false, 40, 24, 4, 2, 0)]
    [InlineData(Injection.Shadow, true, 24, 40, 4, 3, 1)]
    [InlineData(Injection.Shadow, false, 6, 30, 20, 3, 0)]
    public void State_has_the_bytes_of_the_formula(Injection injection, bool keepsIndices, int rows, int columns, int rank, int numbers, int indices)
    {
        using var scope = NewDisposeScope();
        using var model = new Problems.OneMatrix(rows, columns);
        using var optimizer = Strategy(injection, keepsIndices, rank).Attach(model).CreateOptimizer();

        Problems.Step(model, optimizer, Problems.Data(8, columns, seed: 1), Problems.Data(8, rows, seed: 2));

        var (r, nnz) = (Math.Min(rank, Math.Min(rows, columns)), (int)(0.1 * rows * columns));
        optimizer.StateBytes.Should().Be(4 * (numbers * (r * (rows + columns) + nnz) + indices * nnz));
    }

    /// <summary>Everything that lives between two steps: parameters, buffers, gradients, moments.</summary>
    [CountedTheory]
    [InlineData(true)]
    [InlineData(false)]
    public void Formula_is_what_is_measured(bool keepsIndices)
    {
        const int Rows = 96, Columns = 64, Rank = 8;
        var formula = WeightSpaceMemory.SparseLowRank(Rows, Columns, Rank, 0.1, keepsIndices);

        // What the last backward gave to the graph lives until the next one: the first round leaves as much of it behind as the second.
        Measure();
        Measure().Should().Be((long)formula.Bytes(NumberBytes.Float32));

        long Measure()
        {
            using var scope = NewDisposeScope();
            Collect();
            var before = ByteCounter.Live;
            using var model = new Problems.OneMatrix(Rows, Columns);
            using var optimizer = Strategy(Injection.Replace, keepsIndices, Rank).Attach(model).CreateOptimizer();

            using (NewDisposeScope())
                Problems.Step(model, optimizer, Problems.Data(8, Columns, seed: 1), Problems.Data(8, Rows, seed: 2));
            MemoryPlan.For(optimizer.Session).WeightBytes.Should().Be(4 * (formula.Trained + formula.Indices));
            MemoryPlan.For(optimizer.Session).StateBytes.Should().Be(8 * formula.Trained);
            Collect();
            return ByteCounter.Live - before;
        }
    }

    [CountedFact]
    public void No_dense_weight_lives_between_forward_and_backward_and_one_matrix_is_all_the_scratch()
    {
        const int Side = 512, Batch = 8, Rank = 4;
        const long Matrix = Side * Side * 4, Parts = 4 * (2 * Rank * Side + Side * Side / 100), Activations = 6 * 4 * Batch * Side;
        using var scope = NewDisposeScope();
        using var layer = new SparseLowRankLinear(Side, Side, Rank, density: 0.01, hasBias: false);
        var input = Problems.Data(Batch, Side, seed: 1).requires_grad_();
        Collect();
        var before = ByteCounter.Live;

        ByteCounter.ResetPeak();
        var loss = layer.call(input).sum();
        var forwardPeak = ByteCounter.Peak - before;
        var afterForward = ByteCounter.Live - before;
        ByteCounter.ResetPeak();
        loss.backward();

        afterForward.Should().BeLessThanOrEqualTo(Activations);
        forwardPeak.Should().BeInRange(Matrix, Matrix + Activations);
        (ByteCounter.Peak - before).Should().BeInRange(Matrix, Matrix + Activations + 3 * Parts, "the weight is freed before its gradient is made");
        (ByteCounter.Live - before).Should().BeLessThanOrEqualTo(Activations + 3 * Parts);
    }

    private static SLTrain Strategy(Injection injection, bool keepsIndices, int rank) =>
        new() { Rank = rank, Density = 0.1, Injection = injection, KeepsIndices = keepsIndices };

    private static void Collect()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
    }
}
