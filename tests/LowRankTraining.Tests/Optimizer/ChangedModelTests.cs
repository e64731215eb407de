using FluentAssertions;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Optimizer;

/// <summary>A model that is changed after its optimizer was made: what comes into it would stand still, and nothing would tell.</summary>
public class ChangedModelTests
{
    private static readonly Dictionary<string, Func<nn.Module, ILowRankSession>> Methods = new()
    {
        ["galore"] = model => new GaLore { Rank = 2 }.Attach(model),
        ["projected"] = model => new GaLore { Rank = 2 }.Attach(model, gradients: GradientFlow.Projected),
        ["stepped"] = model => new Fira { Rank = 2 }.Attach(model, gradients: GradientFlow.Stepped),
        ["q-galore"] = model => new QGaLore { Rank = 2 }.Attach(model),
        ["lora"] = model => new LoRA { Rank = 2 }.Attach(model),
        ["relora"] = model => new ReLoRA { Rank = 2 }.Attach(model),
        ["sltrain"] = model => new SLTrain { Rank = 2, Density = 0.2 }.Attach(model),
    };

    private static readonly Dictionary<string, (string Named, Action<Changeable> Change)> Changes = new()
    {
        ["another layer under the same name"] = ("last.weight", model => model.Register("last", nn.Linear(8, 8))),
        ["another parameter of a layer"] = ("norm.weight", model => ((LayerNorm)model.norm).weight = new Parameter(ones(8))),
        ["another layer in the field"] = ("last.weight", model => model.last = nn.Linear(8, 8)),
        ["another parameter in the field"] = ("scale", model => model.scale = new Parameter(ones(1))),
        ["another layer in a list"] = ("list.1.weight", model => model.list[1] = nn.Linear(8, 8)),
        ["one more layer in a list"] = ("list.2.weight", model => model.list.Add(nn.Linear(8, 8))),
        ["one more layer"] = ("more.weight", model => model.Register("more", model.more = nn.Linear(8, 8))),
        ["one more layer in a container"] = ("row.extra.weight", model => model.row.append("extra", nn.Linear(8, 8))),
    };

    [Fact]
    public void State_stays_where_its_parameters_are()
    {
        using var model = Seeded(new Changeable());
        using var optimizer = Methods["lora"](model).CreateOptimizer(1e-3);
        Train(model, optimizer, 2);

        optimizer.to(CPU);
        optimizer.Invoking(it => it.to(new Device(DeviceType.META))).Should().Throw<InvalidOperationException>()
            .WithMessage("State stays where its parameters are*is on cpu*move the model first*");

        Train(model, optimizer, 1);
    }

    public static IEnumerable<object[]> All => Methods.Keys.SelectMany(_ => Changes.Keys, (method, change) => new object[] { method, change });

    [Theory, MemberData(nameof(All))]
    public void Step_names_what_came_into_the_model_and_is_not_trained(string method, string change)
    {
        using var model = Seeded(new Changeable());
        using var optimizer = Methods[method](model).CreateOptimizer(1e-3);
        Train(model, optimizer, 2);
        var (named, apply) = Changes[change];
        apply(model);

        FluentActions.Invoking(() => Train(model, optimizer, 2)).Should().Throw<InvalidOperationException>().WithMessage($"*'{named}'*optimizer*");
        FluentActions.Invoking(() => Train(model, optimizer, 1)).Should().Throw<InvalidOperationException>("it has not been mended");
    }

    /// <summary>A layer that is gone has no gradients any more, which is seen long before the next look that is due.</summary>
    [Theory]
    [InlineData("galore", 70), InlineData("projected", 70), InlineData("stepped", 70), InlineData("q-galore", 45), InlineData("lora", 60)]
    public void Layer_that_is_replaced_late_is_found_within_some_steps(string method, int steps)
    {
        using var model = Seeded(new Changeable());
        using var optimizer = Methods[method](model).CreateOptimizer(1e-3);
        Train(model, optimizer, steps);

        model.Register("last", nn.Linear(8, 8));

        FluentActions.Invoking(() => Train(model, optimizer, 14)).Should().Throw<InvalidOperationException>().WithMessage("*'last.weight'*");
    }

    [Fact]
    public void Layer_that_is_added_late_is_found_within_a_hundred_steps()
    {
        using var model = Seeded(new Changeable());
        using var optimizer = Methods["galore"](model).CreateOptimizer(1e-3);
        Train(model, optimizer, 130);

        model.Register("more", model.more = nn.Linear(8, 8));

        FluentActions.Invoking(() => Train(model, optimizer, 101)).Should().Throw<InvalidOperationException>().WithMessage("*'more.weight'*");
    }

    [Fact]
    public void What_was_there_can_be_put_back_and_training_goes_on()
    {
        using var model = Seeded(new Changeable());
        using var optimizer = Methods["galore"](model).CreateOptimizer(1e-3);
        var before = model.last;
        model.Register("last", nn.Linear(8, 8));
        FluentActions.Invoking(() => Train(model, optimizer, 1)).Should().Throw<InvalidOperationException>();

        model.Register("last", before);

        Train(model, optimizer, 20);
        optimizer.CompletedSteps.Should().Be(20);
    }

    [Theory]
    [InlineData("galore"), InlineData("lora")]
    public void What_is_given_to_the_optimizer_is_trained(string method)
    {
        using var model = Seeded(new Changeable());
        using var optimizer = Methods[method](model).CreateOptimizer(1e-3);
        model.Register("more", model.more = nn.Linear(8, 8));
        var before = Values(model.more.get_parameter("weight")!);

        optimizer.add_param_group(new LowRankOptimizer.ParamGroup(model.more.named_parameters()));
        Train(model, optimizer, 3);

        Values(model.more.get_parameter("weight")!).Should().NotEqual(before);
    }

    [Fact]
    public void Frozen_newcomers_and_layers_without_gradients_are_nobodys_business()
    {
        using var model = Seeded(new Changeable());
        using var optimizer = Methods["galore"](model).CreateOptimizer(1e-3);
        Train(model, optimizer, 1);
        var (fixedLayer, unused) = (nn.Linear(8, 8), nn.Linear(8, 8));
        foreach (var parameter in fixedLayer.parameters())
            parameter.requires_grad = false;
        model.Register("last", fixedLayer);
        model.register_module("unused", unused);

        Train(model, optimizer, 20);

        optimizer.CompletedSteps.Should().Be(21);
    }

    /// <summary>Experts are run by some batches and not by others.</summary>
    [Fact]
    public void Layers_that_are_run_now_and_then_are_trained_as_ever()
    {
        using var model = Seeded(new Changeable());
        using var optimizer = Methods["galore"](model).CreateOptimizer(1e-3);

        for (var step = 0; step < 40; step++)
        {
            model.skipsLast = step % 3 == 0;
            Train(model, optimizer, 1);
        }

        optimizer.CompletedSteps.Should().Be(40);
    }

    /// <summary>The optimizer is of the model from before, and all of its gradients stay zero.</summary>
    [Fact]
    public void Model_that_was_made_anew_is_told_of_once()
    {
        var logger = new RecordingLogger();
        using var before = Seeded(new Changeable());
        using var model = Seeded(new Changeable());
        using var optimizer = new GaLore { Rank = 2, Logger = logger }.Attach(before).CreateOptimizer(1e-3);
        logger.Lines.Clear();

        Train(before, optimizer, 1);
        logger.Lines.Should().BeEmpty();
        Train(model, optimizer, 3);

        logger.Lines.Should().ContainSingle().Which.Should().Contain("step 2").And.Contain("no parameter has a gradient");
    }

    /// <summary>What the session had put there is gone from the model already.</summary>
    [Theory]
    [InlineData("lora"), InlineData("relora"), InlineData("q-galore"), InlineData("sltrain")]
    public void Layer_that_was_replaced_by_its_user_stays_when_the_session_ends(string method)
    {
        using var model = Seeded(new Changeable());
        var session = Methods[method](model);
        using var layer = nn.Linear(8, 8);
        model.Register("last", layer);
        var before = Values(model.call(ones(1, 8)));

        session.Finish();

        model.last.Should().BeSameAs(layer);
        model.named_children().ToDictionary()["last"].Should().BeSameAs(layer);
        Distance(Values(model.call(ones(1, 8))), before).Should().BeLessThan(method == "q-galore" ? 0.1 : 1e-5, "8 bits become float32 again");
    }

    private static void Train(Changeable model, LowRankOptimizer optimizer, int steps)
    {
        for (var step = 0; step < steps; step++)
        {
            using var scope = NewDisposeScope();
            optimizer.zero_grad();
            model.call(Normal((ulong)step, ScalarType.Float32, 4, 8)).square().mean().backward();
            optimizer.step();
        }
    }

    private sealed class Changeable : nn.Module<Tensor, Tensor>
    {
        public readonly nn.Module<Tensor, Tensor> norm = nn.LayerNorm(8);
        public readonly ModuleList<nn.Module<Tensor, Tensor>> list = nn.ModuleList<nn.Module<Tensor, Tensor>>(nn.Linear(8, 8), nn.Linear(8, 8));
        public readonly Sequential row = nn.Sequential(nn.Linear(8, 8));
        public Parameter scale = new(ones(1));
        public nn.Module<Tensor, Tensor> last = nn.Linear(8, 8);
        public nn.Module<Tensor, Tensor>? more;
        public bool skipsLast;

        public Changeable() : base(nameof(Changeable)) => RegisterComponents();

        public void Register(string name, nn.Module<Tensor, Tensor> layer)
        {
            register_module(name, null!);
            register_module(name, layer);
            if (name == nameof(last))
                last = layer;
        }

        public override Tensor forward(Tensor input)
        {
            var output = row.call(norm.call(input)) * scale;
            foreach (var layer in list)
                output = layer.call(output);
            output = more is null ? output : more.call(output);
            return skipsLast ? output : last.call(output);
        }
    }
}
