using System.Globalization;
using FluentAssertions;
using LowRankTraining.Checkpoints;
using LowRankTraining.Layers;
using LowRankTraining.Parts;
using LowRankTraining.Schedules;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Adapters;
using LowRankTraining.Tests.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Optimizer;

/// <summary>Situations in which programs of this field were reported to fail, each by its smallest program.</summary>
public sealed class SituationTests : IDisposable
{
    private readonly TemporaryDirectory _folder = new();

    public static TheoryData<string> Methods => [.. LowRankStrategies.All.Select(method => method.Name)];

    /// <summary>jiaweizzhao/GaLore#58: a decomposition that does not converge on gradients with repeated singular values, or of rank 1.</summary>
    [Theory, MemberData(nameof(Methods))]
    public void Gradients_with_repeated_singular_values_and_of_rank_one_are_steps_like_any_other(string name)
    {
        using var scope = NewDisposeScope();
        using var model = Seeded(new OpenNetwork(inputs: 16, hidden: 16));
        using var optimizer = OptionTrial.Asking(LowRankStrategies.Create(name)).Attach(model).CreateOptimizer(lr: 1e-3);
        foreach (var gradient in new[] { eye(16), ones(16, 16), eye(16) * 1e-20f, ones(16, 16) * 1e10f })
        {
            foreach (var parameter in model.parameters().Where(parameter => parameter.requires_grad))
                parameter.grad = (parameter.shape.SequenceEqual([16, 16]) ? gradient : ones_like(parameter)).clone();
            MarkRun(model);
            optimizer.step();
        }

        model.parameters().Should().OnlyContain(parameter => parameter.isfinite().all().ToBoolean());
    }

    /// <summary>A scale of logits is a parameter without a dimension, as in CLIP; a bank of prototypes may be empty at first.</summary>
    [Theory, MemberData(nameof(GradientSpace))]
    public void Scalars_and_empty_matrices_are_trained_beside_the_others(string name)
    {
        using var model = new Odd();
        using var optimizer = ((UpdateMethod)LowRankStrategies.Create(name)).Attach(model).CreateOptimizer(lr: 1e-2);
        var before = Weights(model);

        for (var step = 0; step < 3; step++)
        {
            using var scope = NewDisposeScope();
            optimizer.zero_grad();
            model.call(Normal((ulong)step, ScalarType.Float32, 4, 8)).square().mean().backward();
            optimizer.step();
        }

        TrainingCheckpoint.Save(_folder.Path, model, optimizer);
        TrainingCheckpoint.Load(_folder.Path, model, optimizer).Should().Be(3);
        Weights(model)["scale"].Should().NotEqual(before["scale"]);
        Weights(model)["bank"].Should().BeEmpty();
    }

    public static TheoryData<string> GradientSpace =>
        [.. LowRankStrategies.All.Select(method => method.Name).Where(name => LowRankStrategies.Create(name) is UpdateMethod)];

    /// <summary>pytorch#192202, composer#1002: what is frozen when a checkpoint is loaded loses its state, or loading fails.</summary>
    [Fact]
    public void State_of_a_parameter_that_is_frozen_at_load_is_there_when_it_is_thawed()
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer = new GaLore { Rank = 4 }.Attach(model).CreateOptimizer(0.01);
        Run(model, optimizer, 3);
        TrainingCheckpoint.Save(_folder.Path, model, optimizer);
        using var other = Seeded(new OpenNetwork(), 9);
        other.get_parameter("first.weight")!.requires_grad = false;
        using var resumed = new GaLore { Rank = 4 }.Attach(other).CreateOptimizer();

        TrainingCheckpoint.Load(_folder.Path, other, resumed);
        other.get_parameter("first.weight")!.requires_grad = true;
        Run(other, resumed, 2);
        Run(model, optimizer, 2);

        Weights(other).Should().BeEquivalentTo(Weights(model));
    }

    /// <summary>ms-swift#9452: saving an adapter that starts by PiSSA froze what is trained.</summary>
    [Theory]
    [InlineData(FactorInit.PiSSA), InlineData(FactorInit.OLoRA), InlineData(FactorInit.Kaiming)]
    public void Adapter_is_saved_in_the_middle_of_training_as_if_nothing_had_happened(FactorInit init)
    {
        using var model = Seeded(new OpenNetwork());
        using var other = Seeded(new OpenNetwork());
        using var optimizer = new LoRA { Rank = 4, Init = init }.Attach(model).CreateOptimizer(0.01);
        using var undisturbed = new LoRA { Rank = 4, Init = init }.Attach(other).CreateOptimizer(0.01);
        Run(model, optimizer, 2);
        Run(other, undisturbed, 2);

        PeftAdapter.Save(_folder.Path, optimizer.Session);
        Run(model, optimizer, 2);
        Run(other, undisturbed, 2);

        Weights(model).Should().BeEquivalentTo(Weights(other));
    }

    /// <summary>NeMo#3293: a step that the loss scaler skips must not move the schedule.</summary>
    [Fact]
    public void Schedule_stands_still_while_the_loss_scaler_skips()
    {
        using var scope = NewDisposeScope();
        using var model = Seeded(new OpenNetwork());
        using var optimizer = new GaLore { Rank = 4 }.Attach(model).CreateOptimizer(1);
        var schedule = new LinearSchedule { TotalSteps = 10 }.Bind(optimizer);
        var scaler = new LossScaler();

        foreach (var factor in new[] { 1, float.PositiveInfinity, 1 })
        {
            optimizer.zero_grad();
            (scaler.scale(model.call(Inputs(model)).square().mean()) * factor).backward();
            scaler.step(optimizer);
            schedule.step();
        }

        optimizer.CompletedSteps.Should().Be(2);
        optimizer.ParamGroups.Single().LearningRate.Should().BeApproximately(0.8, 1e-12);
    }

    /// <summary>Numbers with a decimal comma, an i without a dot: files and texts are the same everywhere.</summary>
    [Theory]
    [InlineData("de-DE"), InlineData("tr-TR"), InlineData("ar-SA")]
    public void Files_and_texts_do_not_depend_on_the_language_of_the_machine(string language)
    {
        var before = CultureInfo.CurrentCulture;
        var method = new LoRA { Rank = 4, Alpha = 2.5, Dropout = 0.25, AlphaPattern = new Dictionary<string, double> { ["first"] = 0.5 } };
        var text = method.ToString();
        try
        {
            CultureInfo.CurrentCulture = CultureInfo.GetCultureInfo(language);
            method.ToString().Should().Be(text);
            LowRankStrategies.Parse(text).ToString().Should().Be(text);
            LowRankStrategies.Create("INRANK".ToLower(CultureInfo.InvariantCulture)).Name.Should().Be("inrank");
            using var model = Seeded(new OpenNetwork());
            using var optimizer = method.Attach(model).CreateOptimizer(0.01);
            Run(model, optimizer, 1);
            PeftAdapter.Save(_folder.Path, optimizer.Session);
            PeftAdapter.Load(_folder.Path, optimizer.Session);
            TrainingCheckpoint.Save(_folder.Path, model, optimizer);
            TrainingCheckpoint.Load(_folder.Path, model, optimizer).Should().Be(1);
            PeftAdapter.LoRAOf(_folder.Path).Alpha.Should().BeOneOf(2.5, 0.5);
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }
    }

    /// <summary>Names that JSON escapes, names with the separators of the format, folders with blanks and other letters.</summary>
    [Fact]
    public void Names_and_folders_may_have_any_letters()
    {
        var folder = Path.Combine(_folder.Path, "läufe 模型", "a 'b' \"c\"");
        using var model = nn.Sequential(("größe/λ", nn.Linear(8, 8)), ("a b\"c\\", nn.Linear(8, 8)), ("model/模型", nn.Linear(8, 8)));
        using var optimizer = new GaLore { Rank = 2 }.Attach(model, Targets.AllMatrices()).CreateOptimizer(0.01);
        void Train()
        {
            using var scope = NewDisposeScope();
            optimizer.zero_grad();
            model.call(Normal(3, ScalarType.Float32, 4, 8)).square().mean().backward();
            optimizer.step();
        }

        Train();
        TrainingCheckpoint.Save(folder, model, optimizer);
        Train();
        var expected = Weights(model);

        TrainingCheckpoint.Load(folder, model, optimizer);
        Train();

        Weights(model).Should().BeEquivalentTo(expected);
    }

    /// <summary>GaLore#47: parameters that a wrapper has made flat.</summary>
    [Fact]
    public void List_without_any_matrix_is_refused_with_what_to_do()
    {
        using var flat = new Parameter(zeros(64));

        FluentActions.Invoking(() => GaLore.AdamW([("flat", flat)])).Should().Throw<ArgumentException>().WithMessage("*matri*");
    }

    /// <summary>A step that is given what computes the loss, as LBFGS needs it and other optimizers take it.</summary>
    [Fact]
    public void Closure_runs_once_and_gives_its_loss()
    {
        using var scope = NewDisposeScope();
        using var model = Seeded(new OpenNetwork());
        using var optimizer = new Fira { Rank = 4 }.Attach(model).CreateOptimizer(0.01);
        var runs = 0;

        var loss = optimizer.step(() =>
        {
            runs++;
            optimizer.zero_grad();
            var mean = model.call(Inputs(model)).square().mean();
            mean.backward();
            return mean;
        });

        (runs, optimizer.CompletedSteps).Should().Be((1, 1));
        loss.ToDouble().Should().BeGreaterThan(0);
    }

    /// <summary>maskrcnn-benchmark#464, nanotron#253: going on with another rate than that of the checkpoint.</summary>
    [Fact]
    public void Rate_that_is_set_after_loading_counts_with_a_schedule_that_is_bound_then()
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer = new GaLore { Rank = 4 }.Attach(model).CreateOptimizer(0.1);
        Run(model, optimizer, 2);
        TrainingCheckpoint.Save(_folder.Path, model, optimizer);
        using var resumed = new GaLore { Rank = 4 }.Attach(model).CreateOptimizer(0.5);
        TrainingCheckpoint.Load(_folder.Path, model, resumed);
        resumed.ParamGroups.Single().LearningRate.Should().Be(0.1, "it is that of the file");

        foreach (var group in resumed.ParamGroups)
            group.LearningRate = group.InitialLearningRate = 0.5;
        var schedule = new LinearSchedule { TotalSteps = 10 }.Bind(resumed);
        Run(model, resumed, 1);
        schedule.step();

        resumed.ParamGroups.Single().LearningRate.Should().BeApproximately(0.5 * 0.7, 1e-12);
    }

    /// <summary>A program that makes everything in a scope of its set-up, and trains after it.</summary>
    [Theory, MemberData(nameof(Methods))]
    public void What_was_made_in_a_scope_outlives_it(string name)
    {
        using var model = Seeded(new OpenNetwork());
        LowRankOptimizer optimizer;
        using (NewDisposeScope())
        {
            optimizer = OptionTrial.Asking(LowRankStrategies.Create(name)).Attach(model).CreateOptimizer(1e-3);
            Run(model, optimizer, 1);
            TrainingCheckpoint.Save(_folder.Path, model, optimizer);
            TrainingCheckpoint.Load(_folder.Path, model, optimizer);
        }

        Run(model, optimizer, 2);
        using (NewDisposeScope())
            optimizer.Session.Finish();

        Output(model).Should().OnlyContain(value => double.IsFinite(value));
        optimizer.Dispose();
    }

    /// <summary>Gradients that a program has made itself: one number seen as a matrix, a transposed one, part of another.</summary>
    [Theory]
    [InlineData("galore"), InlineData("fira"), InlineData("apollo"), InlineData("muon"), InlineData("lora"), InlineData("spam")]
    public void Gradients_may_lie_in_memory_as_they_like(string name)
    {
        using var scope = NewDisposeScope();
        var expected = Stepped(name, (shape, seed) => Made(shape, seed).contiguous());

        foreach (var (parameter, values) in Stepped(name, Made))
            Distance(values, expected[parameter]).Should().BeLessThan(1e-5, "norms are added up in another order");

        static Tensor Made(long[] shape, ulong seed) => (shape.Length, seed % 3) switch
        {
            (2, 0) => tensor(0.5f).expand(shape),
            (2, 1) => Normal(seed, ScalarType.Float32, shape[1], shape[0]).t(),
            (2, _) => Normal(seed, ScalarType.Float32, shape[0], 2 * shape[1]).narrow(1, shape[1], shape[1]),
            _ => tensor(0.25f).expand(shape),
        };
    }

    private static Dictionary<string, double[]> Stepped(string name, Func<long[], ulong, Tensor> gradient)
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer = OptionTrial.Asking(LowRankStrategies.Create(name)).Attach(model).CreateOptimizer(1e-2);
        for (ulong step = 1; step <= 6; step++)
        {
            using (no_grad())
                model.call(zeros(1, 12)).Dispose();
            foreach (var parameter in model.parameters().Where(parameter => parameter.requires_grad))
                parameter.grad = gradient(parameter.shape, step);
            optimizer.clip_grad_norm_(0.5);
            optimizer.step();
            optimizer.zero_grad();
        }

        return Weights(model);
    }

    /// <summary>LLaMA's own code keeps its rotations as complex numbers, which a file must bring back.</summary>
    [Fact]
    public void Complex_buffers_come_back()
    {
        using var scope = NewDisposeScope();
        using var model = new Rotating();
        using var optimizer = new GaLore { Rank = 2 }.Attach(model, Targets.AllMatrices()).CreateOptimizer();
        var expected = model.get_buffer("rotations")!.clone();
        TrainingCheckpoint.Save(_folder.Path, model, optimizer);
        using (no_grad())
            model.get_buffer("rotations")!.zero_();

        TrainingCheckpoint.Load(_folder.Path, model, optimizer);

        model.get_buffer("rotations")!.eq(expected).all().ToBoolean().Should().BeTrue();
    }

    /// <summary>A first step before any backward pass changes nothing, as in PyTorch.</summary>
    [Theory]
    [InlineData("galore"), InlineData("fira"), InlineData("muon"), InlineData("q-galore")]
    public void Step_without_gradients_changes_no_weight(string name)
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer = OptionTrial.Asking(LowRankStrategies.Create(name)).Attach(model).CreateOptimizer(0.1, weight_decay: 0.1);
        var before = Weights(model);

        optimizer.step();

        Weights(model).Should().BeEquivalentTo(before);
    }

    public void Dispose() => _folder.Dispose();

    private sealed class Rotating : nn.Module<Tensor, Tensor>
    {
        private readonly nn.Module<Tensor, Tensor> layer = nn.Linear(8, 8);

        public Rotating() : base(nameof(Rotating))
        {
            RegisterComponents();
            register_buffer("rotations", polar(ones(4), arange(4, ScalarType.Float32)));
        }

        public override Tensor forward(Tensor input) => layer.call(input);
    }

    /// <summary>Layers of their own know that they have run by their forward pass.</summary>
    private static void MarkRun(nn.Module<Tensor, Tensor> model)
    {
        using var guard = no_grad();
        model.call(zeros(1, 16)).Dispose();
    }

    private sealed class Odd : nn.Module<Tensor, Tensor>
    {
        private readonly nn.Module<Tensor, Tensor> layer;
        private readonly Parameter scale, bank;

        public Odd() : base(nameof(Odd))
        {
            layer = Seeded(nn.Linear(8, 8));
            scale = new Parameter(tensor(2f));
            bank = new Parameter(zeros(0, 8));
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => layer.call(input) * scale + bank.sum();
    }
}
