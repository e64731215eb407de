using FluentAssertions;
using Xunit;
using static TorchSharp.torch;

namespace TorchSharp.SystemLibtorch.Tests.Memory;

public sealed class DisposeScopeTests
{
    [Fact]
    public void A_scope_disposes_what_was_made_in_it()
    {
        Tensor inside, kept, detached;
        var outer = NewDisposeScope();
        using (var scope = NewDisposeScope())
        {
            inside = ones(1);
            kept = ones(1).MoveToOuterDisposeScope();
            detached = ones(1).DetachFromDisposeScope();
            scope.Contains(inside).Should().BeTrue();
            scope.DisposablesCount.Should().Be(1);
        }
        inside.IsInvalid.Should().BeTrue();
        kept.IsInvalid.Should().BeFalse();
        outer.Dispose();
        kept.IsInvalid.Should().BeTrue();
        detached.IsInvalid.Should().BeFalse();
        detached.Dispose();
    }

    [Fact]
    public void Without_an_outer_scope_moving_out_is_detaching()
    {
        Tensor moved;
        using (NewDisposeScope()) moved = ones(1).MoveToOuterDisposeScope();
        moved.IsInvalid.Should().BeFalse();
        using (var scope = NewDisposeScope())
        {
            scope.Attach(moved);
            scope.DisposeEverythingBut(ones(1));
            moved.IsInvalid.Should().BeTrue();
        }
    }

    [Fact]
    public void Scopes_may_end_out_of_order()
    {
        var outer = NewDisposeScope();
        var inner = NewDisposeScope();
        outer.Dispose();
        CurrentDisposeScope.Should().BeSameAs(inner);
        inner.Dispose();
        CurrentDisposeScope.Should().BeNull();
    }

    [Fact]
    public void A_scope_belongs_to_its_thread()
    {
        using var scope = NewDisposeScope();
        Tensor? other = null;
        var thread = new Thread(() => other = ones(1));
        thread.Start();
        thread.Join();
        scope.Contains(other!).Should().BeFalse();
        other!.Dispose();
    }

    [Fact]
    public void Statistics_count_creation_disposal_and_moves()
    {
        var statistics = DisposeScopeManager.Statistics.TensorStatistics;
        statistics.Reset();
        var outside = ones(1);
        outside.Dispose();
        outside.Dispose();
        using (var scope = NewDisposeScope())
        {
            var tensor = ones(1);
            tensor.Dispose();
            _ = ones(1);
            ones(1).DetachFromDisposeScope().Dispose();
            var late = ones(1).DetachFromDisposeScope();
            scope.Attach(late);
        }
        (statistics.CreatedOutsideScopeCount, statistics.DisposedOutsideScopeCount).Should().Be((1, 2));
        (statistics.CreatedInScopeCount, statistics.DisposedInScopeCount).Should().Be((4, 3));
        (statistics.DetachedFromScopeCount, statistics.AttachedToScopeCount).Should().Be((2, 1));
        statistics.ThreadTotalLiveCount.Should().Be(0);
    }

    [Fact]
    public void A_disposed_tensor_says_so()
    {
        var t = ones(1);
        t.Dispose();
        t.Invoking(x => x.add_(1)).Should().Throw<InvalidOperationException>().WithMessage("*disposed*");
        t.ToString().Should().Contain("disposed");
    }
}
