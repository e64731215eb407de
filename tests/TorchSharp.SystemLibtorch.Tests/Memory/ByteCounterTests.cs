using System.Runtime.InteropServices;
using FluentAssertions;
using Xunit;
using static TorchSharp.torch;

namespace TorchSharp.SystemLibtorch.Tests.Memory;

/// <summary>Counts are the whole process's, so no other test may run beside these.</summary>
[CollectionDefinition(nameof(ByteCounter), DisableParallelization = true)]
public sealed class ByteCounter;

[Collection(nameof(ByteCounter))]
public sealed partial class ByteCounterTests
{
    private const long Megabyte = 1 << 20;

    /// <summary>What other tests left to the finalizer must not be freed in the middle of a count.</summary>
    public ByteCounterTests()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
    }

    [Fact]
    public void Live_bytes_follow_storage_exactly()
    {
        var before = lt_memory_live();
        using (var a = zeros(Megabyte, dtype: int8))
        {
            lt_memory_live().Should().Be(before + Megabyte);
            using var view = a.narrow(0, 0, 10);
            lt_memory_live().Should().Be(before + Megabyte, "a view has no storage");
            using var b = a.clone();
            lt_memory_live().Should().Be(before + 2 * Megabyte);
        }
        lt_memory_live().Should().Be(before);
    }

    [Fact]
    public void The_peak_remembers_temporaries_until_it_is_reset()
    {
        lt_memory_reset_peak();
        var start = lt_memory_peak();
        zeros(3 * Megabyte, dtype: int8).Dispose();
        lt_memory_peak().Should().Be(start + 3 * Megabyte);
        lt_memory_reset_peak();
        lt_memory_peak().Should().Be(lt_memory_live());
    }

    [Fact]
    public void Storage_that_grows_is_counted_anew()
    {
        using var result = empty(0);
        var before = lt_memory_live();
        using var a = zeros(Megabyte / 4);
        linalg.solve_triangular(eye(1), ones(1, 1), upper: true, @out: result);
        lt_memory_live().Should().BeGreaterThan(before + Megabyte - 1);
    }

    [Fact]
    public void A_graph_that_is_dropped_frees_what_a_custom_function_saved()
    {
        var before = lt_memory_live();
        using (NewDisposeScope())
        {
            Square.apply(zeros(Megabyte / 4, requires_grad: true));
            lt_memory_live().Should().Be(before + 2 * Megabyte);
        }
        lt_memory_live().Should().Be(before);
    }

    [Fact]
    public void A_gradient_that_is_set_to_null_is_freed()
    {
        using var scope = NewDisposeScope();
        var w = zeros(Megabyte / 4, requires_grad: true);
        w.sum().backward();
        var before = lt_memory_live();
        w.grad = null;
        lt_memory_live().Should().Be(before - Megabyte);
    }

    private sealed class Square : autograd.SingleTensorFunction<Square>
    {
        public override string Name => nameof(Square);

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
        {
            ctx.save_for_backward([(Tensor)vars[0]]);
            return ((Tensor)vars[0]).square();
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output) =>
            [grad_output * ctx.get_saved_variables()[0] * 2];
    }

    [LibraryImport("SystemLibtorch")]
    private static partial long lt_memory_live();

    [LibraryImport("SystemLibtorch")]
    private static partial long lt_memory_peak();

    [LibraryImport("SystemLibtorch")]
    private static partial void lt_memory_reset_peak();
}
