using FluentAssertions;
using Xunit;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace TorchSharp.SystemLibtorch.Tests.Modules;

public sealed class SequentialTests
{
    [Fact]
    public void Children_are_numbered_or_named()
    {
        using var model = Sequential(Linear(2, 3), ReLU(), Linear(3, 1, hasBias: false));
        using var named = Sequential(("a", Linear(2, 3)), ("b", ReLU()));

        model.named_parameters().Select(entry => entry.name).Should().Equal("0.weight", "0.bias", "2.weight");
        named.state_dict().Keys.Should().Equal("a.weight", "a.bias");
    }

    [Fact]
    public void It_computes_the_composition()
    {
        using var first = Linear(2, 3);
        using var second = Linear(3, 1);
        using var model = Sequential(first, ReLU(), second);
        using var input = randn(4, 2);

        using var expected = second.forward(first.forward(input).relu());
        using var actual = model.forward(input);

        actual.allclose(expected).Should().BeTrue();
    }

    [Fact]
    public void It_disposes_intermediates_but_not_its_input()
    {
        using var scope = NewDisposeScope();
        var input = randn(4, 2);
        Tensor? intermediate = null;
        var first = Linear(2, 3);
        first.register_forward_hook((_, _, y) => intermediate = y);
        using var model = Sequential(first, Tanh(), Linear(3, 1));

        model.forward(input);

        intermediate!.IsInvalid.Should().BeTrue();
        input.IsInvalid.Should().BeFalse();
    }

    [Fact]
    public void Empty_it_returns_a_new_handle_to_its_input()
    {
        using var model = Sequential();
        using var input = ones(2);
        using var output = model.forward(input);

        output.Should().NotBeSameAs(input);
        output.allclose(input).Should().BeTrue();
    }

    [Fact]
    public void It_can_be_indexed_and_sliced()
    {
        using var model = Sequential(Linear(2, 3), ReLU(), Linear(3, 1));

        model[1].Should().BeSameAs(model.children().ElementAt(1));
        model[1..].Count.Should().Be(2);
        model[(null, 1)][0].Should().BeSameAs(model[0]);
    }

    [Fact]
    public void Eval_turns_dropout_off()
    {
        using var model = Sequential(Dropout(0.5), Identity());
        using var input = ones(1000);

        using var trained = model.forward(input);
        trained.sum().item<float>().Should().NotBe(1000);
        trained.data<float>().ToArray().Should().OnlyContain(value => value == 0 || value == 2);

        model.eval();
        using var evaluated = model.forward(input);
        evaluated.allclose(input).Should().BeTrue();
    }
}
