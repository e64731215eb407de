using System.Collections;
using FluentAssertions;
using LowRankTraining.Layers;
using LowRankTraining.Numerics;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Assumptions;

/// <summary>Fields of TorchSharp's modules that the library reads, and what happens where they are missing.</summary>
public class FieldTests
{
    private static readonly Dictionary<string, Action<Linear>> Hooks = new()
    {
        ["before"] = layer => layer.register_forward_pre_hook((_, x) => x),
        ["after"] = layer => layer.register_forward_hook((_, _, y) => y),
        ["module before"] = layer => layer.register_forward_pre_hook(_ => { }),
        ["module after"] = layer => layer.register_forward_hook(_ => { }),
    };

    public static TheoryData<string> HookKinds => [.. Hooks.Keys];

    [Fact]
    public void Parameter_is_taken_out_of_a_module_by_the_dictionary_that_registers_it()
    {
        using var layer = nn.Linear(2, 2);
        using var added = new Parameter(ones(1));
        layer.register_parameter("added", added);

        ParameterRegistry.Remove(layer, "added");

        layer.state_dict().Keys.Should().Equal("weight", "bias");
        added.IsInvalid.Should().BeFalse();
        layer.Invoking(it => it.register_parameter("added", added)).Should().NotThrow("the name is free again");
    }

    [Theory, MemberData(nameof(HookKinds))]
    public void Hook_of_every_kind_is_seen_until_it_is_removed(string kind)
    {
        using var layer = nn.Linear(2, 2);
        ForwardHooks.AnyOf(layer).Should().BeFalse();

        Hooks[kind](layer);

        ForwardHooks.AnyOf(layer).Should().BeTrue();
    }

    [Theory, MemberData(nameof(HookKinds))]
    public void Layer_with_a_hook_of_any_kind_is_neither_replaced_nor_hooked(string kind)
    {
        using var layer = nn.Linear(4, 4);
        using var model = nn.Sequential(layer, nn.Linear(4, 4));
        Hooks[kind](layer);

        using var session = new LoRA { Rank = 2 }.Attach(model, Targets.AllLinear());

        session.Layers.Select(adapted => adapted.Injection).Should().Equal(Injection.Shadow, Injection.Replace);
        session.Describe().Should().Contain("it has forward hooks of its own");
    }

    /// <summary>It would not do any more what it is there for, without a word, if TorchSharp called these fields otherwise.</summary>
    [Fact]
    public void Custom_function_has_a_single_number_for_the_shape_of_its_output()
    {
        using var scope = NewDisposeScope();
        using var x = ones([3, 4], requires_grad: true);

        using var y = Doubled.apply(x);

        var outputs = TorchSharpField.Read<List<Tensor>>(Doubled.Node!, Doubled.Node!.GetType(), "_outputCache");
        outputs.Should().ContainSingle().Which.shape.Should().Equal(3, 4);
        outputs[0].stride().Should().Equal(0, 0);
        y.sum().backward();
        x.grad!.sum().ToSingle().Should().Be(24);
    }

    [Fact]
    public void Container_takes_no_hooks()
    {
        using var list = nn.ModuleList<nn.Module>(nn.Linear(2, 2));

        ForwardHooks.AnyOf(list).Should().BeFalse();
    }

    [Fact]
    public void Field_that_is_not_there_is_named_with_both_versions()
    {
        using var layer = nn.Linear(2, 2);

        var read = () => TorchSharpField.Read<IDictionary>(layer, typeof(nn.Module), "_hooks_of_tomorrow");

        read.Should().Throw<NotSupportedException>().WithMessage("TorchSharp 0.107.0 has no field '_hooks_of_tomorrow'*made for TorchSharp 0.107.0*");
    }

    [Fact]
    public void Field_that_holds_something_else_is_refused_too()
    {
        using var layer = nn.Linear(2, 2);

        var read = () => TorchSharpField.Read<OrderedDict<string, Tensor>>(layer, typeof(nn.Module), "_internal_params");

        read.Should().Throw<NotSupportedException>().WithMessage("*'_internal_params'*");
    }

    private sealed class Doubled : AutogradFunction<Doubled>
    {
        public static object? Node { get; private set; }

        protected override Tensor Output(autograd.AutogradContext ctx, object[] vars)
        {
            Node = TorchSharpField.Read<object>(ctx, typeof(autograd.AutogradContext), "_node");
            return (Tensor)vars[0] * 2;
        }

        protected override List<Tensor?> Gradients(autograd.AutogradContext ctx, Tensor output) => [output * 2];
    }
}
