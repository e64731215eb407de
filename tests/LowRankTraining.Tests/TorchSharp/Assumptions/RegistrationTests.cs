using System.Collections;
using System.Reflection;
using FluentAssertions;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Assumptions;

/// <summary>How TorchSharp's modules hold their children and parameters: adapters replace the former and take the latter out again.</summary>
public class RegistrationTests
{
    [Fact]
    public void Registering_null_removes_a_child_and_one_that_is_registered_again_goes_last()
    {
        using var model = new Pair(Plain(1), Plain(2));
        var first = model.named_children().First().module;

        model.register_module("first", null!);
        model.named_children().Select(child => child.name).Should().Equal("second");

        model.register_module("first", first);
        model.named_children().Select(child => child.name).Should().Equal("second", "first");
        model.state_dict().Keys.Should().Equal("second.weight", "first.weight");
    }

    [Fact]
    public void Name_that_is_taken_is_refused()
    {
        using var model = new Pair(Plain(1), Plain(2));
        using var other = Plain(3);

        model.Invoking(it => it.register_module("first", other)).Should().Throw<InvalidOperationException>();
        model.Invoking(it => it.named_children().First().module.register_parameter("weight", new Parameter(zeros(1)))).Should()
            .Throw<InvalidOperationException>();
    }

    [Fact]
    public void Readonly_field_of_an_open_type_takes_another_module_by_reflection()
    {
        using var model = new Pair(Plain(1), Plain(2));
        using var input = ones(1, 1);

        typeof(Pair).GetField("first", BindingFlags.Instance | BindingFlags.NonPublic)!.SetValue(model, Plain(5));

        model.call(input).ToSingle().Should().Be(10);
    }

    [Fact]
    public void Sequential_keeps_its_children_in_one_list_which_is_its_register()
    {
        var second = Plain(3);
        using var model = nn.Sequential(Plain(2), second);
        var lists = typeof(Sequential).GetFields(BindingFlags.Instance | BindingFlags.NonPublic | BindingFlags.DeclaredOnly)
            .Select(field => field.GetValue(model)).OfType<IList>().Where(list => list.Contains(second)).ToArray();
        var added = Plain(7);

        lists.Should().ContainSingle();
        lists[0][1] = added;

        model.named_children().Select(child => child.module).Should().HaveElementAt(1, added);
        using var input = ones(1, 1);
        model.call(input).ToSingle().Should().Be(14);
    }

    [Fact]
    public void Item_of_a_ModuleList_can_be_set_without_being_registered()
    {
        using var model = new Listing(Plain(2), Plain(3));
        var second = model.Layers[1];
        var added = Plain(7);

        model.Layers[1] = added;

        model.Layers[1].Should().BeSameAs(added);
        model.named_modules().Select(pair => pair.module).Should().Contain(second).And.NotContain(added);
    }

    [Fact]
    public void Linear_can_neither_be_derived_nor_made_from_outside_and_its_parameters_can_be_set()
    {
        using var layer = Plain(2);
        var weight = new Parameter(full(1, 1, 4f));

        typeof(Linear).IsSealed.Should().BeTrue();
        typeof(Linear).GetConstructors().Should().BeEmpty();
        layer.weight = weight;

        layer.get_parameter("weight").Should().BeSameAs(weight);
        using var input = ones(1, 1);
        layer.forward(input).ToSingle().Should().Be(4);
    }

    [Fact]
    public void Parameter_of_two_modules_is_listed_once_and_saved_twice()
    {
        var first = Plain(2);
        using var model = new Pair(first, nn.Linear(first.weight));

        model.named_parameters().Select(pair => pair.name).Should().Equal("first.weight");
        model.state_dict().Keys.Should().Equal("first.weight", "second.weight");
    }

    [Fact]
    public void Parameters_come_before_those_of_children_and_before_all_buffers()
    {
        using var model = new Pair(Plain(1), Plain(2));
        model.register_parameter("scale", new Parameter(ones(1)));
        model.register_buffer("offset", zeros(1));
        model.register_buffer("cache", zeros(1), persistent: false);

        model.state_dict().Keys.Should().Equal("scale", "first.weight", "second.weight", "offset");
    }

    private static readonly Dictionary<string, Func<nn.Module>> Native = new()
    {
        ["MultiheadAttention"] = () => nn.MultiheadAttention(4, 2),
        ["TransformerEncoderLayer"] = () => nn.TransformerEncoderLayer(4, 2),
        ["GRU"] = () => nn.GRU(4, 2),
    };

    public static TheoryData<string> NativeLayers => [.. Native.Keys];

    [Theory, MemberData(nameof(NativeLayers))]
    public void Layer_made_of_native_ones_has_matrices_and_no_children(string layer)
    {
        using var model = Native[layer]();

        model.named_modules().Should().BeEmpty();
        model.parameters().Should().Contain(parameter => parameter.dim() == 2);
    }

    private static Linear Plain(float weight) => nn.Linear(new Parameter(full(1, 1, weight)));

    private sealed class Pair : nn.Module<Tensor, Tensor>
    {
        private readonly nn.Module<Tensor, Tensor> first;
        private readonly nn.Module<Tensor, Tensor> second;

        public Pair(nn.Module<Tensor, Tensor> first, nn.Module<Tensor, Tensor> second) : base(nameof(Pair))
        {
            (this.first, this.second) = (first, second);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => second.call(first.call(input));
    }

    private sealed class Listing : nn.Module
    {
        private readonly ModuleList<nn.Module<Tensor, Tensor>> layers;

        public Listing(params nn.Module<Tensor, Tensor>[] modules) : base(nameof(Listing))
        {
            layers = nn.ModuleList(modules);
            RegisterComponents();
        }

        public ModuleList<nn.Module<Tensor, Tensor>> Layers => layers;
    }
}
