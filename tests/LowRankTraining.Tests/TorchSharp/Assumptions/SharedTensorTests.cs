using FluentAssertions;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Assumptions;

/// <summary>What tells one tensor from another: the pointer behind a handle, and the start of a storage.</summary>
public class SharedTensorTests
{
    [Fact]
    public void Pointer_behind_a_handle_is_the_tensors_own()
    {
        using var scope = NewDisposeScope();
        var weight = new Parameter(zeros(3, 2));
        var detached = weight.detach();

        ParameterIdentity.Of(weight.alias()).Should().Be(ParameterIdentity.Of(weight));
        ParameterIdentity.Of(detached).Should().NotBe(ParameterIdentity.Of(weight));
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    public void Views_of_a_tensor_start_where_its_storage_does(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        var whole = zeros([4, 3], dtype);

        SharedMemory.StorageOf(whole).Should().NotBeNull();
        SharedMemory.StorageOf(whole.narrow(0, 1, 2)).Should().Be(SharedMemory.StorageOf(whole));
        SharedMemory.StorageOf(whole.clone()).Should().NotBe(SharedMemory.StorageOf(whole));
    }

    [Fact]
    public void Gradient_of_a_parameter_made_from_a_view_arrives_at_what_it_shows()
    {
        using var scope = NewDisposeScope();
        var weight = new Parameter(ones(3, 2));
        var view = new Parameter(weight.t());

        view.mul(2).sum().backward();

        view.is_leaf.Should().BeFalse();
        weight.grad!.sum().ToSingle().Should().Be(12);
        SharedMemory.IsViewOf(view, weight).Should().BeTrue();
    }

    [Fact]
    public void Concatenation_of_one_tensor_is_that_tensor_under_another_name()
    {
        using var scope = NewDisposeScope();
        var only = zeros(3);

        cat([only]).add_(1);

        only.sum().ToSingle().Should().Be(3);
    }
}
