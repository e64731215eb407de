using FluentAssertions;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Assumptions;

/// <summary>When a tensor keeps its native handle, and when it gets another: TorchSharp keys the state of an optimizer by it.</summary>
public class HandleTests
{
    public static TheoryData<string> NewAtEveryRead => [.. Native.Keys];

    public static TheoryData<string> SameAtEveryRead => [.. Managed.Keys];

    private static readonly Dictionary<string, Func<(nn.Module Module, Func<Parameter> Read)>> Native = new()
    {
        ["Embedding"] = () => Of(nn.Embedding(3, 2), it => it.weight!),
        ["EmbeddingBag"] = () => Of(nn.EmbeddingBag(3, 2), it => it.weight!),
        ["LSTMCell"] = () => Of(nn.LSTMCell(3, 2), it => it.weight_ih!),
        ["GRUCell"] = () => Of(nn.GRUCell(3, 2), it => it.weight_hh!),
        ["RNNCell"] = () => Of(nn.RNNCell(3, 2), it => it.bias_ih!),
    };

    private static readonly Dictionary<string, Func<(nn.Module Module, Func<Parameter> Read)>> Managed = new()
    {
        ["Linear"] = () => Of(nn.Linear(3, 2), it => it.weight!),
        ["Linear, bias"] = () => Of(nn.Linear(3, 2), it => it.bias!),
        ["Conv2d"] = () => Of(nn.Conv2d(1, 1, 2), it => it.weight!),
        ["LayerNorm"] = () => Of(nn.LayerNorm(2), it => it.weight!),
        ["GroupNorm"] = () => Of(nn.GroupNorm(1, 2), it => it.weight!),
        ["BatchNorm1d"] = () => Of(nn.BatchNorm1d(2), it => it.weight!),
        ["Bilinear"] = () => Of(nn.Bilinear(3, 2, 2), it => it.weight!),
        ["PReLU"] = () => Of(nn.PReLU(2), it => it.weight!),
    };

    [Theory, MemberData(nameof(NewAtEveryRead))]
    public void Getter_of_a_native_layer_makes_a_new_handle_to_the_same_numbers(string layer)
    {
        var (module, read) = Native[layer]();
        using var owner = module;
        using var first = read();
        using var second = read();

        first.Handle.Should().NotBe(second.Handle);
        IsSameMemory(first, second).Should().BeTrue();
        owner.parameters().Should().NotContain(parameter => parameter.Handle == first.Handle, "the registered object is another one again");
    }

    [Theory, MemberData(nameof(SameAtEveryRead))]
    public void Getter_of_a_managed_layer_gives_the_registered_parameter(string layer)
    {
        var (module, read) = Managed[layer]();
        using var owner = module;

        read().Should().BeSameAs(read());
        owner.parameters().Should().Contain(parameter => ReferenceEquals(parameter, read()));
    }

    [Fact]
    public void Head_that_is_given_the_weight_of_an_embedding_shares_its_numbers_under_another_handle()
    {
        using var embedding = nn.Embedding(3, 2);
        using var head = nn.Linear(2, 3, hasBias: false);

        head.weight = embedding.weight!;

        IsSameMemory(head.weight!, embedding.parameters().Single()).Should().BeTrue();
        head.weight!.Handle.Should().NotBe(embedding.parameters().Single().Handle);
    }

    [Fact]
    public void Set_gives_a_parameter_other_numbers_and_another_shape_under_the_same_handle()
    {
        using var guard = no_grad();
        using var parameter = new Parameter(zeros(2, 3));
        var handle = parameter.Handle;

        parameter.set_(ones(4));

        parameter.Handle.Should().Be(handle);
        parameter.shape.Should().Equal(4);
        parameter.requires_grad.Should().BeTrue();
        parameter.sum().ToSingle().Should().Be(4);
    }

    [Fact]
    public void Making_a_parameter_consumes_the_tensor()
    {
        var values = ones(2);
        using var parameter = new Parameter(values);

        values.IsInvalid.Should().BeTrue();
        parameter.requires_grad.Should().BeTrue();
    }

    [Fact]
    public void Every_read_of_a_gradient_makes_an_object()
    {
        using var scope = NewDisposeScope();
        var parameter = new Parameter(ones(2));
        parameter.sum().backward();
        var (first, second) = (parameter.grad!, parameter.grad!);

        first.Should().NotBeSameAs(second);
        IsSameMemory(first, second).Should().BeTrue();
        first.Dispose();
        parameter.grad!.sum().ToSingle().Should().Be(2, "disposing what was read leaves the gradient");
    }

    [Fact]
    public void Gradient_can_be_replaced_and_dropped()
    {
        using var scope = NewDisposeScope();
        var parameter = new Parameter(ones(2));

        parameter.grad = full(2, 3f);
        parameter.grad!.sum().ToSingle().Should().Be(6);
        parameter.grad = null;

        parameter.grad.Should().BeNull();
    }

    [Fact]
    public void Tensor_that_is_disposed_says_so()
    {
        var gone = ones(1);
        gone.Dispose();

        gone.Invoking(it => it.add_(1)).Should().Throw<InvalidOperationException>().WithMessage("*invalid*");
    }

    private static (nn.Module Module, Func<Parameter> Read) Of<TModule>(TModule module, Func<TModule, Parameter> read) where TModule : nn.Module =>
        (module, () => read(module));

    private static bool IsSameMemory(Tensor one, Tensor other) => one.bytes.Overlaps(other.bytes, out var offset) && offset == 0;
}
