using FluentAssertions;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Assumptions;

/// <summary>What a <c>Sequential</c> does differently from a module with fields.</summary>
public class SequentialTests
{
    [Fact]
    public void State_dict_of_a_child_is_asked_by_fields_and_not_by_a_Sequential()
    {
        using var inField = new Holder(new Telling());
        using var inSequence = nn.Sequential(new Telling());

        inField.state_dict().Keys.Should().Contain("child.told");
        inSequence.state_dict().Keys.Should().Equal("0.kept");
    }

    [Fact]
    public void Intermediates_are_disposed_and_the_input_is_not()
    {
        using var scope = NewDisposeScope();
        var input = ones(4, 2);
        Tensor? intermediate = null;
        var first = nn.Linear(2, 3);
        first.register_forward_hook((_, _, output) => intermediate = output);
        using var model = nn.Sequential(first, nn.Tanh(), nn.Linear(3, 1));

        model.forward(input);

        intermediate!.IsInvalid.Should().BeTrue();
        input.IsInvalid.Should().BeFalse();
    }

    [Fact]
    public void Child_that_returns_its_input_breaks_and_an_alias_does_not()
    {
        using var scope = NewDisposeScope();
        using var broken = nn.Sequential(nn.Tanh(), new Passing(input => input), nn.Tanh());
        using var whole = nn.Sequential(nn.Tanh(), new Passing(input => input.alias()), nn.Tanh());

        broken.Invoking(model => model.call(ones(2))).Should().Throw<InvalidOperationException>();
        whole.call(ones(2)).shape.Should().Equal(2);
    }

    private sealed class Telling : nn.Module<Tensor, Tensor>
    {
        public Telling() : base(nameof(Telling)) => register_buffer("kept", zeros(1));

        public override Tensor forward(Tensor input) => input.alias();

        public override Dictionary<string, Tensor> state_dict(Dictionary<string, Tensor>? destination = null, string? prefix = null)
        {
            destination ??= [];
            destination.Add(prefix is null ? "told" : $"{prefix}.told", zeros(1));
            return destination;
        }
    }

    private sealed class Holder : nn.Module<Tensor, Tensor>
    {
        private readonly nn.Module<Tensor, Tensor> child;

        public Holder(nn.Module<Tensor, Tensor> child) : base(nameof(Holder))
        {
            this.child = child;
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => child.call(input);
    }

    private sealed class Passing(Func<Tensor, Tensor> pass) : nn.Module<Tensor, Tensor>(nameof(Passing))
    {
        public override Tensor forward(Tensor input) => pass(input);
    }
}
