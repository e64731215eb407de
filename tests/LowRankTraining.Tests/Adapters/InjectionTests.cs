using System.Collections;
using System.Collections.ObjectModel;
using FluentAssertions;
using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Adapters;

public class InjectionTests
{
    [Fact]
    public void Field_of_an_open_type_gets_another_module_and_the_model_computes_the_same()
    {
        using var model = Seeded(new OpenNetwork());
        var before = Output(model);

        using var session = LoRA(Injection.Auto).Attach(model);

        session.Layers.Select(layer => (layer.Name, layer.Injection)).Should().Equal(("first.weight", Injection.Replace), ("second.weight", Injection.Replace));
        model.named_children().Select(child => child.name).Should().Equal("first", "norm", "second", "lm_head");
        model.named_children().First().module.Should().BeOfType<LowRankLinear>();
        model.state_dict().Keys.Should().Equal(
            "first.weight", "first.bias", "first.lora_A", "first.lora_B", "norm.weight", "norm.bias",
            "second.weight", "second.lora_A", "second.lora_B", "lm_head.weight", "lm_head.bias");
        Distance(Output(model), before).Should().BeLessThan(1e-6);
    }

    [Fact]
    public void Field_of_the_sealed_type_gets_a_hook_and_the_model_computes_the_same()
    {
        using var model = Seeded(new SealedNetwork());
        var before = Output(model);

        using var session = LoRA(Injection.Auto).Attach(model);

        session.Layers.Should().OnlyContain(layer => layer.Injection == Injection.Hook);
        session.Describe().Should().Contain("first.weight: Hook, rank 4 (field 'first' of SealedNetwork is of type Linear)");
        model.state_dict().Keys.Should().Contain(["first.lora_A", "first.lora_B"]);
        Output(model).Should().Equal(before);
    }

    [Fact]
    public void Layers_of_a_sequence_are_replaced_in_their_order_and_come_back()
    {
        using var model = Seeded(nn.Sequential(nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 16), nn.Linear(16, 6)));
        var (names, before) = (model.state_dict().Keys.ToArray(), Output(model));
        using var optimizer = LoRA(Injection.Auto).Attach(model).CreateOptimizer();

        ((AdapterSession)optimizer.Session).Layers.Should().HaveCount(3).And.OnlyContain(layer => layer.Injection == Injection.Replace);
        model.named_children().Select(child => child.module.GetType().Name).Should().Equal("LowRankLinear", "ReLU", "LowRankLinear", "LowRankLinear");
        Output(model).Should().Equal(before);

        Run(model, optimizer, 3);
        var trained = Output(model);
        optimizer.Session.Finish();

        model.state_dict().Keys.Should().Equal(names);
        Distance(Output(model), trained).Should().BeLessThan(1e-5);
    }

    [Fact]
    public void Layers_of_a_list_are_replaced_where_it_takes_any_module_and_hooked_where_it_does_not()
    {
        using var open = Seeded(new ListNetwork<nn.Module<Tensor, Tensor>>(nn.Linear(12, 16), nn.Linear(16, 6)));
        using var closed = Seeded(new ListNetwork<Linear>(nn.Linear(12, 16), nn.Linear(16, 6)));
        var (names, before) = (open.state_dict().Keys.ToArray(), Output(open));

        using var replaced = LoRA(Injection.Auto).Attach(open);
        using var hooked = LoRA(Injection.Auto).Attach(closed);

        replaced.Layers.Should().HaveCount(2).And.OnlyContain(layer => layer.Injection == Injection.Replace);
        hooked.Layers.Should().HaveCount(2).And.OnlyContain(layer => layer.Injection == Injection.Hook);
        hooked.Describe().Should().Contain("is of Linear");
        Output(open).Should().Equal(before);

        replaced.Finish();
        open.state_dict().Keys.Should().Equal(names);
        Output(open).Should().Equal(before);
    }

    [Fact]
    public void Layer_in_a_dictionary_of_the_model_s_own_is_replaced_where_it_takes_any_module_and_hooked_where_it_does_not()
    {
        using var open = Seeded(new DictionaryNetwork<nn.Module<Tensor, Tensor>>(nn.Linear(12, 12)));
        using var closed = Seeded(new DictionaryNetwork<Linear>(nn.Linear(12, 12)));
        var before = Output(open);

        using var replaced = LoRA(Injection.Auto).Attach(open);
        using var hooked = LoRA(Injection.Auto).Attach(closed);

        replaced.Layers.Should().ContainSingle().Which.Injection.Should().Be(Injection.Replace);
        open.Layers["only"].Should().BeOfType<LowRankLinear>().And.BeSameAs(open.named_children().Single().module);
        Output(open).Should().Equal(before);
        hooked.Layers.Should().ContainSingle().Which.Injection.Should().Be(Injection.Hook);
        hooked.Describe().Should().Contain("dictionary 'layers' of DictionaryNetwork`1 is of Linear");
    }

    [Fact]
    public void Layer_in_a_collection_that_takes_no_other_is_hooked()
    {
        using var queue = Seeded(new CollectionNetwork(layer => new Queue<nn.Module<Tensor, Tensor>>([layer])));
        using var list = Seeded(new CollectionNetwork(layer => new List<nn.Module<Tensor, Tensor>>([layer]).AsReadOnly()));
        using var dictionary =
            Seeded(new CollectionNetwork(layer =>
                new ReadOnlyDictionary<string, nn.Module<Tensor, Tensor>>(new Dictionary<string, nn.Module<Tensor, Tensor>> { ["only"] = layer })));

        foreach (var model in new[] { queue, list, dictionary })
        {
            using var session = LoRA(Injection.Auto).Attach(model);

            session.Layers.Should().ContainSingle().Which.Injection.Should().Be(Injection.Hook);
            session.Describe().Should().Contain("collection 'layers' of CollectionNetwork holds it too");
            session.Finish();
        }
    }

    [Fact]
    public void Layers_of_a_module_dictionary_are_replaced_in_their_order_and_come_back()
    {
        using var model = Seeded(new KeyedNetwork<nn.Module<Tensor, Tensor>>(nn.Linear(12, 16), nn.Linear(16, 6)));
        using var narrow = Seeded(new KeyedNetwork<Linear>(nn.Linear(12, 16), nn.Linear(16, 6)));
        var (names, before) = (model.state_dict().Keys.ToArray(), Output(model));

        using var session = LoRA(Injection.Auto).Attach(model);
        using var hooked = LoRA(Injection.Auto).Attach(narrow);

        session.Layers.Should().HaveCount(2).And.OnlyContain(layer => layer.Injection == Injection.Replace);
        hooked.Layers.Should().HaveCount(2).And.OnlyContain(layer => layer.Injection == Injection.Hook && layer.Reason.Contains("is of Linear"));
        model.Layers["first"].Should().BeOfType<LowRankLinear>();
        model.Layers[1].Item2.Should().BeSameAs(model.Layers["second"]);
        Output(model).Should().Equal(before);

        session.Finish();
        model.state_dict().Keys.Should().Equal(names);
        model.Layers["first"].Should().BeOfType<Linear>();
        Output(model).Should().Equal(before);
    }

    [Fact]
    public void Layer_under_several_names_is_replaced_under_all_of_them()
    {
        using var model = Seeded(new RepeatedNetwork());
        var (names, before) = (model.state_dict().Keys.ToArray(), Output(model));

        using var optimizer = LoRA(Injection.Replace).Attach(model).CreateOptimizer();

        model.named_modules().Where(pair => pair.module is LowRankLinear).Should().NotBeEmpty();
        model.named_modules().Should().NotContain(pair => pair.module is Linear);
        Output(model).Should().Equal(before);

        Run(model, optimizer, 2);
        var trained = Output(model);
        optimizer.Session.Finish();
        model.named_modules().Should().NotContain(pair => pair.module is LowRankLinear);
        model.state_dict().Keys.Should().Equal(names);
        Distance(Output(model), trained).Should().BeLessThan(1e-5);
    }

    [Fact]
    public void Hook_and_replacement_train_alike()
    {
        using var open = Seeded(new OpenTwin());
        using var closed = Seeded(new SealedNetwork(dtype: ScalarType.Float64));
        using var replaced = ReLoRA(Injection.Replace).Attach(open).CreateOptimizer();
        using var hooked = ReLoRA(Injection.Hook).Attach(closed).CreateOptimizer();
        var start = Output(open);

        Run(open, replaced, 7);
        Run(closed, hooked, 7);

        LayersOf(replaced).Should().HaveCount(2).And.OnlyContain(layer => layer.Injection == Injection.Replace);
        LayersOf(hooked).Should().HaveCount(2).And.OnlyContain(layer => layer.Injection == Injection.Hook);
        Distance(Output(open), start).Should().BeGreaterThan(1e-3, "seven steps and two merges have moved the model");
        Distance(Output(closed), Output(open)).Should().BeLessThan(1e-12);

        replaced.Session.Finish();
        hooked.Session.Finish();
        var (ours, theirs) = (Weights(open), Weights(closed));
        ours.Keys.Should().BeEquivalentTo(theirs.Keys);
        ours.Should().OnlyContain(pair => Distance(pair.Value, theirs[pair.Key]) < 1e-12);
    }

    [Fact]
    public void Hook_that_is_asked_for_and_one_that_is_found_to_work_are_the_same()
    {
        using var asked = Seeded(new SealedNetwork());
        using var found = Seeded(new SealedNetwork());
        using var hooked = ReLoRA(Injection.Hook).Attach(asked).CreateOptimizer();
        using var auto = ReLoRA(Injection.Auto).Attach(found).CreateOptimizer();

        Run(asked, hooked, 7);
        Run(found, auto, 7);

        LayersOf(auto).Should().OnlyContain(layer => layer.Injection == Injection.Hook);
        Output(found).Should().Equal(Output(asked));
    }

    [Theory]
    [InlineData(Injection.Replace)]
    [InlineData(Injection.Hook)]
    public void Layer_that_the_model_does_not_run_is_an_error_at_the_second_step_unless_that_is_allowed(Injection way)
    {
        using nn.Module<Tensor, Tensor> model = way == Injection.Replace ? Seeded(new IdleNetwork()) : Seeded(new SealedIdleNetwork());
        using var strict = LoRA(Injection.Auto).Attach(model).CreateOptimizer();
        Run(model, strict, 1);

        var before = Weights(model);

        foreach (var _ in Enumerable.Range(0, 2))
            FluentActions.Invoking(() => Step(model, strict)).Should().Throw<InvalidOperationException>()
                .WithMessage("*has not run 'idle.weight' in 2 steps*AllowUnreached*Nothing was changed.");

        Weights(model).Should().BeEquivalentTo(before);
        ((AdapterSession)strict.Session).Layers.Should().OnlyContain(layer => layer.Injection == way);
        strict.Session.Finish();
        using var lenient = new LoRA { Rank = 4, AllowUnreached = true }.Attach(model).CreateOptimizer();
        Run(model, lenient, 3);
    }

    [Fact]
    public void Hooks_that_are_all_passed_by_are_an_error_at_every_step_from_the_first_one_on()
    {
        using var model = Seeded(new SealedNetwork(passesHooksBy: true));
        using var optimizer = LoRA(Injection.Hook).Attach(model).CreateOptimizer();
        var before = Weights(model);

        foreach (var _ in Enumerable.Range(0, 3))
            FluentActions.Invoking(() => Step(model, optimizer)).Should().Throw<InvalidOperationException>()
                .WithMessage("*'first.weight', 'second.weight'*Injection.Shadow*Nothing was changed.");

        Weights(model).Should().BeEquivalentTo(before);
        optimizer.CompletedSteps.Should().Be(0);
    }

    [Fact]
    public void Weight_whose_hook_is_passed_by_is_left_alone_where_that_is_allowed_and_takes_no_gradient_any_more()
    {
        using var model = Seeded(new SealedNetwork(passesHooksBy: true));
        using var optimizer = (LoRA(Injection.Hook) with { AllowUnreached = true, TrainOthers = true }).Attach(model).CreateOptimizer();
        var before = Weights(model);

        Run(model, optimizer, 4);

        Weights(model)["first.weight"].Should().Equal(before["first.weight"]);
        optimizer.CompletedSteps.Should().Be(4);
        model.named_parameters().Single(pair => pair.name == "first.weight").parameter.requires_grad.Should().BeFalse();
    }

    [Fact]
    public void Hooks_that_are_all_passed_by_are_an_error_though_that_is_allowed_where_nothing_else_trains()
    {
        using var model = Seeded(new SealedNetwork(passesHooksBy: true));
        using var optimizer = (LoRA(Injection.Hook) with { AllowUnreached = true }).Attach(model).CreateOptimizer();

        FluentActions.Invoking(() => Step(model, optimizer)).Should().Throw<InvalidOperationException>()
            .WithMessage("The model has not run*call layer.call(x)*");
    }

    [Fact]
    public void Auto_shadows_a_layer_whose_hook_is_passed_by_without_losing_a_step()
    {
        using var model = Seeded(new SealedNetwork(passesHooksBy: true, ScalarType.Float64));
        using var reference = Seeded(new SealedNetwork(passesHooksBy: true, ScalarType.Float64));
        using var optimizer = ReLoRA(Injection.Auto).Attach(model).CreateOptimizer();
        using var shadow = ReLoRA(Injection.Shadow).Attach(reference).CreateOptimizer();

        Run(model, optimizer, 8);
        Run(reference, shadow, 8);

        Output(model).Should().Equal(Output(reference));
        ((AdapterSession)optimizer.Session).Layers.Should().OnlyContain(layer => layer.Injection == Injection.Shadow && layer.Reason.Contains("forward()"));
    }

    /// <summary>DoRA and PRILoRA need the frozen weight or the inputs, InRank and CoLA a layer of their own: such a model, the commonest kind, is refused with
    /// what works, and that does.</summary>
    [Theory]
    [InlineData("dora", 0), InlineData("prilora", 0), InlineData("inrank", 0), InlineData("cola", 0)]
    [InlineData("dora", 1), InlineData("prilora", 1), InlineData("inrank", 1), InlineData("cola", 1)]
    [InlineData("dora", 2), InlineData("prilora", 2), InlineData("inrank", 2), InlineData("cola", 2)]
    public void Model_of_sealed_fields_that_passes_hooks_by_is_refused_with_advice_that_works(string name, int advice)
    {
        using var model = Seeded(new SealedNetwork(passesHooksBy: true));
        var before = Weights(model);
        FluentActions.Invoking(() =>
        {
            using var optimizer = OptionTrial.Asking(LowRankStrategies.Create(name)).Attach(model).CreateOptimizer();
            try
            {
                Step(model, optimizer);
            }
            finally
            {
                optimizer.Session.Finish();
            }
        }).Should().Throw<Exception>().WithMessage("*Module<Tensor, Tensor>*GaLore, or LoRA under Injection.Shadow*");
        Weights(model).Should().BeEquivalentTo(before);

        using nn.Module<Tensor, Tensor> other = advice == 0 ? Seeded(new OpenNetwork()) : Seeded(new SealedNetwork(passesHooksBy: true));
        var method = advice switch
        {
            0 => OptionTrial.Asking(LowRankStrategies.Create(name)),
            1 => new GaLore { Rank = 4 },
            _ => LoRA(Injection.Shadow),
        };
        using var working = method.Attach(other).CreateOptimizer(0.01);
        var (first, last) = (Step(other, working), 0.0);
        for (var step = 0; step < 20; step++)
            last = Step(other, working);

        last.Should().BeLessThan(first);
    }

    [Fact]
    public void Tied_weights_are_shadowed_and_refused_elsewhere()
    {
        using var model = new TiedNetwork();

        model.Invoking(tied => LoRA(Injection.Replace).Attach(tied)).Should().Throw<ArgumentException>()
            .WithMessage("*several modules share it*Injection.Shadow*");
        using var session = LoRA(Injection.Auto).Attach(model);

        session.Layers.Should().ContainSingle().Which.Injection.Should().Be(Injection.Shadow);
    }

    [Fact]
    public void Way_that_does_not_work_is_refused_before_anything_is_changed()
    {
        using var model = Seeded(new SealedNetwork());

        model.Invoking(closed => LoRA(Injection.Replace).Attach(closed)).Should().Throw<ArgumentException>()
            .WithMessage("Injection.Replace does not work for 2 of the matrices: first.weight (field 'first' of SealedNetwork is of type Linear)*");

        model.state_dict().Keys.Should().NotContain(name => name.Contains("lora"));
        model.parameters().Should().OnlyContain(parameter => parameter.requires_grad);
    }

    [Fact]
    public void Model_with_factors_is_not_adapted_twice()
    {
        using var model = new OpenNetwork();
        using var session = LoRA(Injection.Auto).Attach(model);

        model.Invoking(adapted => LoRA(Injection.Auto).Attach(adapted)).Should().Throw<ArgumentException>()
            .WithMessage("*holds low-rank factors already*Finish()*");
    }

    [Theory, MemberData(nameof(Adapted))]
    public void Other_part_of_a_model_that_a_session_is_at_work_on_is_refused_until_it_has_finished(ILowRankStrategy first, bool open)
    {
        using nn.Module<Tensor, Tensor> model = open ? new OpenNetwork() : new SealedNetwork();
        using var optimizer = first.Attach(model, Targets.Matching("first")).CreateOptimizer();
        var (names, flags) = (model.state_dict().Keys.ToArray(), model.parameters().Select(parameter => parameter.requires_grad).ToArray());
        var second = () => LoRA(Injection.Auto).Attach(model, Targets.Matching("second"));

        second.Should().Throw<ArgumentException>().WithMessage("Another session is at work on 'first' of the model*Nothing was changed.");

        model.state_dict().Keys.Should().Equal(names);
        model.parameters().Select(parameter => parameter.requires_grad).Should().Equal(flags);
        Run(model, optimizer, 1);
        optimizer.Session.Finish();
        second.Should().NotThrow();
    }

    [Fact]
    public void Sessions_on_parts_that_have_nothing_in_common_train_side_by_side()
    {
        var (encoder, decoder) = (Seeded(new OpenNetwork()), Seeded(new OpenNetwork(inputs: 6)));
        using var model = nn.Sequential(("encoder", encoder), ("decoder", decoder));
        using var first = LoRA(Injection.Auto).Attach(encoder).CreateOptimizer(0.01);
        using var second = new ReLoRA { Rank = 2, MergeEvery = 2 }.Attach(decoder).CreateOptimizer(0.01);
        var before = Weights(model);

        for (var step = 0; step < 3; step++)
        {
            model.call(Inputs(encoder, step)).square().mean().backward();
            first.step();
            second.step();
        }

        var moved = Weights(model).Where(pair => !pair.Value.SequenceEqual(before[pair.Key])).Select(pair => pair.Key);
        moved.Should().Contain(["encoder.first.lora_B", "decoder.first.lora_B", "decoder.norm.weight"]).And.NotContain("encoder.norm.weight");
    }

    public static TheoryData<ILowRankStrategy, bool> Adapted => new()
    {
        { LoRA(Injection.Replace), true },
        { LoRA(Injection.Hook), false },
        { new ReLoRA { Rank = 4, MergeEvery = 4, WarmStartSteps = 2, Injection = Injection.Replace }, true },
        { new ReLoRA { Rank = 4, MergeEvery = 4, WarmStartSteps = 2, Injection = Injection.Hook }, false },
        { new DoRA { Rank = 4, Injection = Injection.Hook }, false },
        { new SLTrain { Rank = 4, Density = 0.2 }, true },
        { new LowRankFactorization { Rank = 4 }, true },
        { new WeLore { Ratio = 0.1, MinRatio = 0 }, true },
    };

    [Theory, MemberData(nameof(Adapted))]
    public void Model_of_another_session_is_refused_untouched_whether_its_factors_train_yet_or_not(ILowRankStrategy first, bool open)
    {
        using nn.Module<Tensor, Tensor> model = open ? new OpenNetwork() : new SealedNetwork();
        using var optimizer = first.Attach(model).CreateOptimizer();
        var (names, flags) = (model.state_dict().Keys.ToArray(), model.parameters().Select(parameter => parameter.requires_grad).ToArray());

        foreach (var second in new[] { first, LoRA(Injection.Auto) })
            model.Invoking(adapted => second.Attach(adapted)).Should().Throw<ArgumentException>()
                .WithMessage("*holds low-rank factors already ('first', 'second')*Finish()*Nothing was changed.");

        model.state_dict().Keys.Should().Equal(names);
        model.parameters().Select(parameter => parameter.requires_grad).Should().Equal(flags);
        Run(model, optimizer, 3);
    }

    [Fact]
    public void Layers_that_stay_in_a_finished_model_are_refused_with_what_trains_them()
    {
        using var model = Seeded(new OpenNetwork());
        using (var session = new CoLA { Rank = 4 }.Attach(model))
            session.Finish();

        model.Invoking(finished => LoRA(Injection.Auto).Attach(finished)).Should().Throw<ArgumentException>()
            .WithMessage("*stay in a finished model*Targets.Except*GaLore*");

        using var optimizer = new GaLore { Rank = 2 }.Attach(model).CreateOptimizer(lr: 0.01);
        var before = Output(model);
        Run(model, optimizer, 2);
        Output(model).Should().NotEqual(before);
    }

    [Fact]
    public void Targets_that_match_nothing_are_refused()
    {
        using var model = new OpenNetwork();
        model.Invoking(plain => LoRA(Injection.Auto).Attach(plain, Targets.Matching("attn"))).Should().Throw<ArgumentException>()
            .WithMessage("No matrix*attn*first.weight*");
    }

    [Fact]
    public void Convolution_is_shadowed_and_learns()
    {
        using var model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten());
        using var optimizer = new LoRA { Rank = 2, Alpha = 2 }.Attach(model, Targets.AllMatrices()).CreateOptimizer(0.01);
        var before = Values(model.parameters().First());

        for (var step = 0; step < 3; step++)
        {
            using var scope = NewDisposeScope();
            optimizer.zero_grad();
            model.call(Normal(5, ScalarType.Float32, 2, 3, 6, 6)).square().mean().backward();
            optimizer.step();
        }

        using var change = tensor(Values(model.parameters().First()).Zip(before, (now, then) => now - then).ToArray()).reshape(8, 27);
        linalg.matrix_rank(change, atol: 1e-5).ToInt64().Should().Be(2);
    }

    internal static LoRA LoRA(Injection injection) => new LoRA { Rank = 4, Alpha = 8, Injection = injection };

    internal static ReLoRA ReLoRA(Injection injection) =>
        new ReLoRA { Rank = 4, Alpha = 8, MergeEvery = 3, Reset = OptimizerReset.Zero, Injection = injection };

    private static IEnumerable<AdaptedLayer> LayersOf(LowRankOptimizer optimizer) => ((AdapterSession)optimizer.Session).Layers;

    /// <summary>Computes what a <see cref="SealedNetwork"/> does, in float64, with fields that take any module.</summary>
    private sealed class OpenTwin : nn.Module<Tensor, Tensor>
    {
        private readonly nn.Module<Tensor, Tensor> first = nn.Linear(12, 16, dtype: ScalarType.Float64);
        private readonly nn.Module<Tensor, Tensor> second = nn.Linear(16, 16, hasBias: false, dtype: ScalarType.Float64);
        private readonly nn.Module<Tensor, Tensor> lm_head = nn.Linear(16, 6, dtype: ScalarType.Float64);

        public OpenTwin() : base(nameof(OpenTwin)) => RegisterComponents();

        public override Tensor forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            return lm_head.call(second.call(first.call(input).tanh())).MoveToOuterDisposeScope();
        }
    }

    private sealed class TiedNetwork : nn.Module<Tensor, Tensor>
    {
        private readonly nn.Module<Tensor, Tensor> encoder;
        private readonly nn.Module<Tensor, Tensor> decoder;

        public TiedNetwork() : base(nameof(TiedNetwork))
        {
            var shared = new Parameter(randn(12, 12));
            encoder = nn.Linear(shared);
            decoder = nn.Linear(shared);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => decoder.call(encoder.call(input));
    }

    private sealed class ListNetwork<TModule> : nn.Module<Tensor, Tensor> where TModule : nn.Module<Tensor, Tensor>
    {
        private readonly ModuleList<TModule> layers;

        public ListNetwork(params TModule[] modules) : base("ListNetwork")
        {
            layers = nn.ModuleList(modules);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            return layers.Aggregate(input, (rows, layer) => layer.call(rows)).MoveToOuterDisposeScope();
        }
    }

    private sealed class DictionaryNetwork<T> : nn.Module<Tensor, Tensor> where T : nn.Module<Tensor, Tensor>
    {
        private readonly Dictionary<string, T> layers = [];

        public DictionaryNetwork(T only) : base("DictionaryNetwork")
        {
            layers["only"] = only;
            register_module("only", only);
        }

        public Dictionary<string, T> Layers => layers;

        public override Tensor forward(Tensor input) => layers["only"].call(input);
    }

    private sealed class CollectionNetwork : nn.Module<Tensor, Tensor>
    {
        private readonly ICollection layers;

        public CollectionNetwork(Func<nn.Module<Tensor, Tensor>, ICollection> collect) : base(nameof(CollectionNetwork))
        {
            var only = nn.Linear(12, 12);
            layers = collect(only);
            register_module("only", only);
        }

        public override Tensor forward(Tensor input) => layers.Cast<nn.Module<Tensor, Tensor>>().Single().call(input);
    }

    private sealed class KeyedNetwork<TModule> : nn.Module<Tensor, Tensor> where TModule : nn.Module<Tensor, Tensor>
    {
        private readonly ModuleDict<TModule> layers;

        public KeyedNetwork(TModule first, TModule second) : base("KeyedNetwork")
        {
            layers = nn.ModuleDict(("first", first), ("second", second));
            RegisterComponents();
        }

        public ModuleDict<TModule> Layers => layers;

        public override Tensor forward(Tensor input) => layers["second"].call(layers["first"].call(input).tanh());
    }

    /// <summary>One layer in two fields, twice in a list, twice in a sequence and in a field of a child.</summary>
    private sealed class RepeatedNetwork : nn.Module<Tensor, Tensor>
    {
        private readonly nn.Module<Tensor, Tensor> one, same;
        private readonly ModuleList<nn.Module<Tensor, Tensor>> list;
        private readonly Sequential sequence;
        private readonly nn.Module<Tensor, Tensor> last = nn.Linear(12, 6);

        public RepeatedNetwork() : base(nameof(RepeatedNetwork))
        {
            one = same = nn.Linear(12, 12);
            list = nn.ModuleList(one, nn.Tanh(), one);
            sequence = nn.Sequential(one, nn.Tanh(), one);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => last.call(sequence.call(list.Aggregate(same.call(one.call(input)), (rows, layer) => layer.call(rows))));
    }

    private sealed class SealedIdleNetwork : nn.Module<Tensor, Tensor>
    {
        private readonly Linear busy = nn.Linear(12, 6);
        private readonly Linear idle = nn.Linear(12, 12);

        public SealedIdleNetwork() : base(nameof(SealedIdleNetwork)) => RegisterComponents();

        public Linear Idle => idle;

        public override Tensor forward(Tensor input) => busy.call(input);
    }

    private sealed class IdleNetwork : nn.Module<Tensor, Tensor>
    {
        private readonly nn.Module<Tensor, Tensor> busy = nn.Linear(12, 6);
        private readonly nn.Module<Tensor, Tensor> idle = nn.Linear(12, 12);

        public IdleNetwork() : base(nameof(IdleNetwork)) => RegisterComponents();

        public nn.Module<Tensor, Tensor> Idle => idle;

        public override Tensor forward(Tensor input) => busy.call(input);
    }
}
