using FluentAssertions;
using LowRankTraining.Checkpoints;
using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Adapters;

/// <summary>Models to which a method is attached, moved to another dtype at every point of their life.</summary>
public class MovedModelTests
{
    private static readonly Dictionary<string, (bool IsOpen, Func<ILowRankStrategy> Method)> Cases = new()
    {
        ["lora"] = (true, () => new LoRA { Rank = 4 }),
        ["lora, hook"] = (false, () => new LoRA { Rank = 4, Injection = Injection.Hook }),
        ["lora, hook or shadow"] = (false, () => new LoRA { Rank = 4 }),
        ["lora, shadow"] = (true, () => new LoRA { Rank = 4, Injection = Injection.Shadow }),
        ["lora, dropout"] = (true, () => new LoRA { Rank = 4, Dropout = 0.1 }),
        ["lora, PiSSA"] = (true, () => new LoRA { Rank = 4, Init = FactorInit.PiSSA }),
        ["lora, others frozen"] = (true, () => new LoRA { Rank = 4, TrainOthers = false }),
        ["lora, NF4"] = (true, () => new LoRA { Rank = 4, Base = BaseFormat.NF4 }),
        ["relora"] = (true, () => new ReLoRA { Rank = 4, MergeEvery = 2 }),
        ["relora, hook"] = (false, () => new ReLoRA { Rank = 4, MergeEvery = 2, Injection = Injection.Hook }),
        ["relora, warm start"] = (true, () => new ReLoRA { Rank = 4, MergeEvery = 3, WarmStartSteps = 2 }),
        ["relora, NF4, warm start"] = (true, () => new ReLoRA { Rank = 4, MergeEvery = 3, WarmStartSteps = 2, Base = BaseFormat.NF4 }),
        ["relora, 8-bit base"] = (true, () => new ReLoRA { Rank = 4, MergeEvery = 2, Base = BaseFormat.Blockwise8Bit }),
        ["dora"] = (true, () => new DoRA { Rank = 4 }),
        ["dora, hook"] = (false, () => new DoRA { Rank = 4, Injection = Injection.Hook }),
        ["prilora"] = (true, () => new PriLoRA { FirstRank = 4, Rank = 4, PruneEvery = 2 }),
        ["switchlora"] = (true, () => new SwitchLoRA { Rank = 4, SwitchEvery = 4 }),
        ["sltrain"] = (true, () => new SLTrain { Rank = 4, Density = 0.2 }),
        ["sltrain, from the seed"] = (true, () => new SLTrain { Rank = 4, Density = 0.2, KeepsIndices = false }),
        ["sltrain, shadow"] = (false, () => new SLTrain { Rank = 4, Density = 0.2, Injection = Injection.Shadow }),
        ["factorized"] = (true, () => new LowRankFactorization { Rank = 4 }),
        ["cola"] = (true, () => new CoLA { Rank = 4 }),
        ["welore"] = (true, () => new WeLore { Ratio = 0.1, MinRatio = 0 }),
        ["inrank"] = (true, () => (Growing with { KeepsWeights = false })),
        ["inrank, kept weight"] = (true, () => (Growing with { KeepsWeights = true })),
        ["galore"] = (true, () => new GaLore { Rank = 4 }),
        ["q-galore"] = (true, () => new QGaLore { Rank = 4 }),
    };

    public static TheoryData<string> Methods => [.. Cases.Keys];

    /// <summary>Methods whose factors can be put into their weights temporarily.</summary>
    public static TheoryData<string> Mergeable => ["lora", "lora, hook", "lora, PiSSA", "lora, dropout", "lora, shadow", "dora", "dora, hook", "prilora"];

    private static InRank Growing => new() { Rank = 4, Buffer = 2, MaxRankRatio = 1, EnergyRatio = 0.99, WarmupSteps = 0, CheckEvery = 2, GrowSteps = 6 };

    [Theory, MemberData(nameof(Methods))]
    public void Optimizer_made_after_the_move_trains_what_the_model_has_now(string name)
    {
        using var model = Make(name);
        using var session = Cases[name].Method().Attach(model);
        var before = Computed(model);

        model.to(ScalarType.BFloat16);
        var moved = Computed(model);
        using var optimizer = session.CreateOptimizer(lr: 0.01);
        var first = Loss(model, 0);
        Run(model, optimizer, 8);

        Distance(moved, before).Should().BeLessThan(0.03);
        var parameters = model.parameters().ToHashSet(ReferenceEqualityComparer.Instance);
        session.Parameters.Should().OnlyContain(plan => parameters.Contains(plan.Parameter) && plan.Parameter.dtype == ScalarType.BFloat16);
        model.parameters().Should().OnlyContain(parameter => parameter.dtype == ScalarType.BFloat16);
        Loss(model, 0).Should().BeLessThan(first);
    }

    [Theory, MemberData(nameof(Methods))]
    public void Model_that_is_moved_at_once_trains_as_one_that_is_not(string name)
    {
        using var narrow = Make(name);
        using var wide = Make(name);
        using var narrowSession = Cases[name].Method().Attach(narrow);
        using var wideSession = Cases[name].Method().Attach(wide);
        wide.to(ScalarType.Float64);

        using var narrowOptimizer = narrowSession.CreateOptimizer(lr: 0.01);
        using var wideOptimizer = wideSession.CreateOptimizer(lr: 0.01);
        Run(narrow, narrowOptimizer, 5);
        Run(wide, wideOptimizer, 5);

        // A float32 sum that falls on the other side of a code's edge moves an 8-bit weight by a whole code.
        Distance(Computed(wide), Computed(narrow)).Should().BeLessThan(name is "q-galore" or "relora, 8-bit base" ? 0.02 : 1e-3);
    }

    [Theory, MemberData(nameof(Methods))]
    public void Optimizer_from_before_the_move_refuses_everything_and_a_new_one_goes_on(string name)
    {
        using var model = Make(name);
        var session = Cases[name].Method().Attach(model);
        var old = session.CreateOptimizer(lr: 0.01);
        Run(model, old, 3);
        var trained = Computed(model);

        model.to(ScalarType.BFloat16);
        var moved = Computed(model);

        Distance(moved, trained).Should().BeLessThan(0.03);
        foreach (var use in new Action[] { () => old.step(), old.zero_grad, () => old.accumulate(), () => old.state_dict(), () =>
            old.save_state_dict(new BinaryWriter(Stream.Null)) })
            use.Should().Throw<InvalidOperationException>().WithMessage("*model.to(...)*make the optimizer*");
        Computed(model).Should().Equal(moved);

        using var optimizer = session.CreateOptimizer(lr: 0.01);
        Run(model, optimizer, 6);
        Computed(model).Should().NotEqual(moved);
        session.Finish();
        Computed(model).Should().OnlyContain(value => double.IsFinite(value));
    }

    [Theory, MemberData(nameof(Methods))]
    public void Moved_model_is_finished_to_what_it_computed(string name)
    {
        using var model = Make(name);
        var (names, children) = (model.state_dict().Keys.ToArray(), model.named_children().Select(child => child.module).ToArray());
        using var session = Cases[name].Method().Attach(model);
        var optimizer = session.CreateOptimizer(lr: 0.01);
        Run(model, optimizer, 3);

        model.to(ScalarType.BFloat16);
        var moved = Computed(model);
        session.Finish();

        Distance(Computed(model), moved).Should().BeLessThan(0.03);
        model.parameters().Should().OnlyContain(parameter => parameter.dtype == ScalarType.BFloat16 && parameter.requires_grad);
        if (name == "cola")
            return;

        model.state_dict().Keys.Should().Equal(names);
        model.named_children().Select(child => child.module).Should().Equal(children);
    }

    [Theory, MemberData(nameof(Methods))]
    public void Finished_model_is_moved_saved_and_loaded(string name)
    {
        using var model = Make(name);
        using var session = Cases[name].Method().Attach(model);
        Run(model, session.CreateOptimizer(lr: 0.01), 3);
        session.Finish();
        var finished = Computed(model);

        model.to(ScalarType.BFloat16);

        Distance(Computed(model), finished).Should().BeLessThan(0.03);
        using var stream = new MemoryStream();
        model.save(stream);
        if (name == "cola")
            return;

        using var plain = Make(name);
        plain.to(ScalarType.BFloat16).load(new MemoryStream(stream.ToArray()));
        Computed(plain).Should().Equal(Computed(model));
    }

    [Theory, MemberData(nameof(Mergeable))]
    public void Model_that_is_moved_while_merged_is_unmerged_to_what_it_was(string name)
    {
        using var model = Make(name);
        using var session = (AdapterSession)Cases[name].Method().Attach(model);
        Run(model, session.CreateOptimizer(lr: 0.01), 3);
        var trained = Computed(model);

        session.Merge();
        model.to(ScalarType.BFloat16);
        var merged = Computed(model);
        session.Unmerge();

        Distance(merged, trained).Should().BeLessThan(0.03);
        Distance(Computed(model), trained).Should().BeLessThan(0.03);
    }

    [Theory, MemberData(nameof(Methods))]
    public void Checkpoint_of_a_moved_model_resumes_bit_for_bit(string name)
    {
        using var directory = new TemporaryDirectory();
        using var model = Moved(name, out var optimizer);
        Run(model, optimizer, 3);
        TrainingCheckpoint.Save(directory.Path, model, optimizer);
        Run(model, optimizer, 3);

        using var fresh = Moved(name, out var resumed);
        TrainingCheckpoint.Load(directory.Path, fresh, resumed);
        Run(fresh, resumed, 3);

        Computed(fresh).Should().Equal(Computed(model));
    }

    [Fact]
    public void Session_on_a_list_of_parameters_that_are_gone_says_so()
    {
        using var model = Seeded(new OpenNetwork());
        using var session = new GaLore { Rank = 4 }.Attach(model.named_parameters());
        model.to(ScalarType.BFloat16);

        session.Invoking(attached => attached.CreateOptimizer()).Should().Throw<InvalidOperationException>().WithMessage("*first.weight*attach the strategy*");
    }

    [Fact]
    public void Parameters_that_move_without_becoming_others_are_noticed()
    {
        using var model = nn.GRU(4, 4);
        using var optimizer = new GaLore { Rank = 2 }.Attach(model).CreateOptimizer();

        model.to(ScalarType.Float64);

        optimizer.Invoking(made => made.step()).Should().Throw<InvalidOperationException>().WithMessage("*another dtype or device*make the optimizer*");
    }

    private static nn.Module<Tensor, Tensor> Make(string name) => Cases[name].IsOpen ? Seeded(new OpenNetwork()) : Seeded(new SealedNetwork());

    private static nn.Module<Tensor, Tensor> Moved(string name, out LowRankOptimizer optimizer)
    {
        var model = Make(name);
        var session = Cases[name].Method().Attach(model);
        model.to(ScalarType.BFloat16);
        optimizer = session.CreateOptimizer(lr: 0.01);
        return model;
    }

    /// <summary>The output without dropout.</summary>
    private static double[] Computed(nn.Module<Tensor, Tensor> model)
    {
        model.eval();
        var output = Output(model);
        model.train();
        return output;
    }

    private static double Loss(nn.Module<Tensor, Tensor> model, long step)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var output = model.call(Inputs(model, step));
        return (output - Normal(2000 + (ulong)step, output.dtype, 10, 6)).to(ScalarType.Float32).square().mean().ToDouble();
    }
}
