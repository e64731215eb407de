using FluentAssertions;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Assumptions;

/// <summary>What TorchSharp's base class of optimizers does for one that is derived from it, and what its own optimizers do.</summary>
public class OptimizerTests
{
    [Fact]
    public void Derived_optimizer_is_saved_and_loaded_in_the_order_of_its_states()
    {
        using var scope = NewDisposeScope();
        using var source = new Descent([Ones(), Ones()]);
        using var target = new Descent([Ones(), Ones()]);
        var stream = Saved(source);

        target.load_state_dict(new BinaryReader(stream));

        source.Events.Should().Equal("save 0", "save 1");
        target.Events.Should().Equal("load 0 from 0", "load 1 from 1");
    }

    [Fact]
    public void Stream_begins_with_the_type_and_the_numbers_of_groups_and_states()
    {
        using var scope = NewDisposeScope();
        using var optimizer = new Descent([Ones(), Ones()], lr: 0.25);

        using var reader = new BinaryReader(Saved(optimizer));

        reader.ReadString().Should().Be(nameof(Descent));
        (reader.ReadByte(), reader.ReadByte()).Should().Be((1, 2));
        (reader.ReadDouble(), reader.ReadDouble()).Should().Be((0.25, 0.25), "options come before states");
        (reader.ReadInt32(), reader.ReadInt32()).Should().Be((0, 1));
    }

    [Fact]
    public void Another_type_or_number_of_states_is_refused_before_a_state_is_asked()
    {
        using var scope = NewDisposeScope();
        using var one = new Descent([Ones()]);
        using var two = new Descent([Ones(), Ones()]);
        using var sgd = optim.SGD([Ones()], 0.1);
        var stream = Saved(two);

        one.Invoking(it => it.load_state_dict(new BinaryReader(stream))).Should().Throw<ArgumentException>().WithMessage("*number of states*");
        stream.Position = 0;
        sgd.Invoking(it => it.load_state_dict(new BinaryReader(stream))).Should().Throw<InvalidDataException>().WithMessage("*Descent*");
        one.Events.Should().BeEmpty();
    }

    [Fact]
    public void State_dictionary_has_a_state_for_every_parameter_and_lists_that_can_be_edited()
    {
        using var scope = NewDisposeScope();
        using var optimizer = new Descent([Ones(), Ones()]);

        var states = optimizer.state_dict();

        states.State.Should().HaveCount(2).And.AllBeOfType<Descent.State>();
        states.Options.Should().ContainSingle();
        states.State.RemoveAt(0);
        states.State.Should().ContainSingle();
        optimizer.state_dict().State.Should().HaveCount(2, "the lists are copies");
    }

    [Fact]
    public void Step_of_the_base_class_turns_gradients_off_and_frees_temporaries_at_its_end_only()
    {
        using var scope = NewDisposeScope();
        var (first, second) = (Ones(), Ones());
        (first.sum() + second.sum()).backward();
        using var optimizer = new Descent([first, second]);

        optimizer.step();

        optimizer.Events.Should().Equal("gradients off");
        optimizer.Temporaries.Should().HaveCount(2).And.OnlyContain(temporary => temporary.IsInvalid);
        first.sum().ToSingle().Should().Be(1);
    }

    [Fact]
    public void Step_of_the_base_class_passes_null_for_a_group_of_another_type()
    {
        using var scope = NewDisposeScope();
        using var optimizer = new Descent([Ones()]);

        optimizer.StepOtherGroups();

        optimizer.Events.Should().Equal("no group");
    }

    [Fact]
    public void Zero_grad_keeps_gradients_and_fills_them_with_zeros()
    {
        using var scope = NewDisposeScope();
        var parameter = Ones();
        parameter.sum().backward();
        using var optimizer = new Descent([parameter]);

        optimizer.zero_grad();

        parameter.grad!.data<float>().ToArray().Should().Equal(0, 0);
    }

    [Fact]
    public void Parameters_of_a_module_are_walked_anew_at_every_pass_over_a_group()
    {
        using var layer = nn.Linear(2, 2);
        using var optimizer = optim.SGD(layer.parameters(), 0.1);

        layer.bias = null;

        optimizer.parameters().Should().ContainSingle();
    }

    [Fact]
    public void Same_parameters_in_two_groups_are_not_refused()
    {
        using var scope = NewDisposeScope();
        var parameter = Ones();
        using var optimizer = new Descent([parameter]);

        optimizer.Invoking(it => it.add_param_group(new Descent.Group([parameter]))).Should().NotThrow();
    }

    [Fact]
    public void AdamW_decays_nothing_unless_it_is_asked_to()
    {
        using var scope = NewDisposeScope();
        var parameter = Ones();
        parameter.grad = zeros(2);
        using var optimizer = optim.AdamW([parameter], lr: 0.1);

        optimizer.step();

        parameter.data<float>().ToArray().Should().Equal(1, 1);
    }

    [Fact]
    public void State_that_AdamW_copies_inside_a_dispose_scope_is_gone_after_it()
    {
        using Parameter parameter = Ones(), other = Ones();
        using OptimizerHelper source = optim.AdamW([other], lr: 0.1), target = optim.AdamW([parameter], lr: 0.1);
        other.grad = ones(2);
        parameter.grad = ones(2);
        source.step();

        using (NewDisposeScope())
            target.load_state_dict(source.state_dict());

        target.Invoking(it => it.step()).Should().Throw<InvalidOperationException>();
    }

    [Fact]
    public void Buffer_that_SGD_reads_inside_a_dispose_scope_is_gone_after_it()
    {
        using var parameter = Ones();
        using var optimizer = optim.SGD([parameter], 0.1, momentum: 0.9);
        parameter.grad = ones(2);
        optimizer.step();
        var stream = Saved(optimizer);

        using (NewDisposeScope())
            optimizer.load_state_dict(new BinaryReader(stream));

        optimizer.Invoking(it => it.step()).Should().Throw<InvalidOperationException>();
    }

    private static Parameter Ones() => new(ones(2));

    private static MemoryStream Saved(OptimizerHelper optimizer)
    {
        var stream = new MemoryStream();
        optimizer.save_state_dict(new BinaryWriter(stream));
        stream.Position = 0;
        return stream;
    }
}
