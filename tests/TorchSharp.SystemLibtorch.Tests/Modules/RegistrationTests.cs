using FluentAssertions;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace TorchSharp.SystemLibtorch.Tests.Modules;

public sealed class RegistrationTests
{
    [Fact]
    public void Fields_are_registered_under_their_names_modules_parameters_and_buffers_apart()
    {
        using var model = new TwoLayers();

        model.named_children().Select(child => child.name).Should().Equal("second", "first");
        model.named_parameters().Select(named => named.name)
            .Should().Equal("scale", "second.weight", "first.weight", "first.bias");
        model.named_buffers().Select(named => named.name).Should().Equal("offset");
    }

    [Fact]
    public void State_dict_holds_all_parameters_first_and_then_all_persistent_buffers()
    {
        using var model = new TwoLayers();
        model.register_buffer("cache", zeros(1), persistent: false);

        model.state_dict().Keys.Should().Equal("scale", "second.weight", "first.weight", "first.bias", "offset");
        model.buffers().Should().HaveCount(2);
    }

    [Fact]
    public void A_shared_parameter_is_listed_once()
    {
        using var model = new Tied();

        model.named_parameters().Select(named => named.name).Should().Equal("embedding.weight");
        model.state_dict().Keys.Should().Equal("embedding.weight", "head.weight");
    }

    [Fact]
    public void Registering_null_removes_a_child_and_a_new_one_goes_last()
    {
        using var model = new TwoLayers();

        model.register_module("second", null!);
        model.named_children().Select(child => child.name).Should().Equal("first");

        model.register_module("second", Linear(3, 3));
        model.named_children().Select(child => child.name).Should().Equal("first", "second");
    }

    [Fact]
    public void Names_that_are_taken_empty_or_dotted_are_refused()
    {
        using var model = new TwoLayers();

        model.Invoking(m => m.register_module("first", Linear(1, 1))).Should().Throw<InvalidOperationException>();
        model.Invoking(m => m.register_module("a.b", Linear(1, 1))).Should().Throw<ArgumentException>();
        model.Invoking(m => m.register_module("", Linear(1, 1))).Should().Throw<ArgumentException>();
        model.Invoking(m => m.register_parameter("scale", new Parameter(zeros(1)))).Should().Throw<InvalidOperationException>();
    }

    [Fact]
    public void Parameters_are_found_by_their_path()
    {
        using var model = new TwoLayers();

        model.get_parameter("first.bias").Should().BeSameAs(((Linear)model.children().Last()).bias);
        model.has_parameter("first.nothing").Should().BeFalse();
        model.get_buffer("offset").Should().NotBeNull();
    }

    [Fact]
    public void A_private_field_of_a_base_type_is_registered_too()
    {
        using var model = new Derived();

        model.named_parameters().Select(named => named.name).Should().Equal("own.weight", "inherited.weight");
    }

    [Fact]
    public void Lists_and_dictionaries_register_what_they_hold_when_they_are_registered()
    {
        using var model = new WithContainers();

        model.named_parameters().Select(named => named.name)
            .Should().Equal("layers.0.weight", "layers.1.weight", "heads.a.weight", "extras.0");
    }

    [Fact]
    public void Train_and_eval_reach_every_descendant()
    {
        using var model = new WithContainers();

        model.eval();
        model.modules().Should().OnlyContain(module => !module.training);
        model.train();
        model.modules().Should().OnlyContain(module => module.training);
    }

    [Fact]
    public void Apply_visits_children_before_their_parent()
    {
        using var model = new TwoLayers();
        var visited = new List<string>();

        model.apply(module => visited.Add(module.GetName()));

        visited.Should().Equal("Linear", "Linear", "two");
    }

    private sealed class TwoLayers : Module
    {
#pragma warning disable CA1823, IDE0052, CS0414 // Read by reflection.
        private readonly Module<Tensor, Tensor> second = Linear(3, 2, hasBias: false);
        private readonly Linear first = Linear(4, 3);
        private readonly Parameter scale = new(ones(2));
        private readonly Tensor offset = zeros(2);
#pragma warning restore CA1823, IDE0052, CS0414

        public TwoLayers()
            : base("two") => RegisterComponents();
    }

    private sealed class Tied : Module
    {
        private readonly Embedding embedding = Embedding(5, 3);
        private readonly Linear head;

        public Tied()
            : base("tied")
        {
            head = Linear(embedding.weight!);
            RegisterComponents();
        }
    }

    private abstract class Base : Module
    {
        private readonly Linear inherited = Linear(2, 2, hasBias: false);

        protected Base()
            : base("base")
        {
        }

        public long Width => inherited.in_features;
    }

    private sealed class Derived : Base
    {
        private readonly Linear own = Linear(2, 2, hasBias: false);

        public Derived() => RegisterComponents();

        public long OwnWidth => own.in_features;
    }

    private sealed class WithContainers : Module
    {
        private readonly ModuleList<Module<Tensor, Tensor>> layers = ModuleList<Module<Tensor, Tensor>>(Linear(2, 2, hasBias: false), Linear(2, 2, hasBias: false));
        private readonly ModuleDict<Module> heads = ModuleDict<Module>(("a", Linear(2, 1, hasBias: false)));
        private readonly ParameterList extras = ParameterList(new Parameter(zeros(1)));

        public WithContainers()
            : base("containers") => RegisterComponents();

        public int Size => layers.Count + heads.Count + extras.Count;
    }
}
