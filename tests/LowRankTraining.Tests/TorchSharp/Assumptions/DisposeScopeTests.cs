using FluentAssertions;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Assumptions;

/// <summary>Which tensors a dispose scope frees.</summary>
public class DisposeScopeTests
{
    [Fact]
    public void Scope_frees_what_is_made_in_it_unless_it_is_moved_out_or_detached()
    {
        Tensor inside, moved, detached;
        var outer = NewDisposeScope();
        using (NewDisposeScope())
        {
            inside = ones(1);
            moved = ones(1).MoveToOuterDisposeScope();
            detached = ones(1).DetachFromDisposeScope();
        }

        inside.IsInvalid.Should().BeTrue();
        moved.IsInvalid.Should().BeFalse();
        outer.Dispose();
        moved.IsInvalid.Should().BeTrue();
        detached.IsInvalid.Should().BeFalse();
        detached.Dispose();
    }

    [Fact]
    public void Moving_out_of_the_outermost_scope_detaches()
    {
        Tensor moved;
        using (NewDisposeScope())
            moved = ones(1).MoveToOuterDisposeScope();

        moved.IsInvalid.Should().BeFalse();
        moved.Dispose();
    }

    [Fact]
    public void Scope_belongs_to_its_thread()
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
    public void Layer_outlives_the_scope_that_it_is_made_in()
    {
        nn.Module<Tensor, Tensor>[] layers;
        using (NewDisposeScope())
            layers = [nn.Linear(2, 2), nn.LayerNorm(2), nn.Conv2d(1, 1, 2)];

        layers.SelectMany(layer => layer.parameters()).Should().HaveCount(6).And.OnlyContain(parameter => !parameter.IsInvalid);
        Array.ForEach(layers, layer => layer.Dispose());
    }

    /// <summary>Its own copy of the parameter goes with the scope, without a word; the layer still computes.</summary>
    [Fact]
    public void Native_layer_that_is_made_in_a_scope_is_without_parameters_after_it()
    {
        TorchSharp.Modules.Embedding table;
        using (NewDisposeScope())
        {
            table = nn.Embedding(3, 2);
            table.parameters().Should().ContainSingle();
        }

        table.parameters().Should().BeEmpty();
        using var weight = table.weight!;
        weight.shape.Should().Equal(3, 2);
        table.Dispose();
    }

    [Fact]
    public void Module_disposes_the_parameters_and_buffers_of_its_whole_tree()
    {
        var model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2));
        var tensors = model.parameters().Concat(model.buffers()).ToList();

        model.Dispose();

        tensors.Should().HaveCountGreaterThan(4).And.OnlyContain(tensor => tensor.IsInvalid);
    }
}
