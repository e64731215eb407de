using FluentAssertions;
using LowRankTraining.Checkpoints;
using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Adapters;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Strategies;

public class FinishTests
{
    public static TheoryData<Injection, bool> Ways =>
        new() { { Injection.Replace, false }, { Injection.Hook, false }, { Injection.Shadow, false }, { Injection.Auto, true }, { Injection.Hook, true } };

    [Theory]
    [MemberData(nameof(Ways))]
    public void Finished_model_is_the_plain_one_with_what_was_learned(Injection injection, bool closed)
    {
        using var model = Seeded(Make(closed));
        var (names, children) = (model.state_dict().Keys.ToArray(), model.named_children().ToArray());
        using var optimizer = InjectionTests.ReLoRA(injection).Attach(model).CreateOptimizer(0.01);
        Run(model, optimizer, 5);
        var learned = Output(model);

        optimizer.Session.Finish();

        Distance(Output(model), learned).Should().BeLessThan(1e-6);
        model.state_dict().Keys.Should().Equal(names);
        model.named_children().Should().Equal(children, "the modules are the ones from before");
        model.parameters().Should().OnlyContain(parameter => parameter.requires_grad);

        using var stream = new MemoryStream();
        model.save(stream);
        using var plain = Make(closed);
        plain.load(new MemoryStream(stream.ToArray()));
        Output(plain).Should().Equal(Output(model));
    }

    public static TheoryData<ILowRankStrategy> Methods =>
    [
        new LoRA { Rank = 4 },
        new LoRA { Rank = 4, Base = BaseFormat.NF4 },
        new DoRA { Rank = 4 },
        new SLTrain { Rank = 4, Density = 0.2 },
        new LowRankFactorization { Rank = 4 },
        new InRank { Rank = 4 },
        new WeLore { Ratio = 0.1, MinRatio = 0 },
        new GaLore { Rank = 4 },
        new QGaLore { Rank = 4 },
    ];

    [Theory]
    [MemberData(nameof(Methods))]
    public void Session_and_optimizer_are_disposed_in_any_order_and_number(ILowRankStrategy method)
    {
        using var model = Seeded(new OpenNetwork());
        using var session = method.Attach(model);
        using var optimizer = session.CreateOptimizer();
        Run(model, optimizer, 2);

        session.Dispose();
        session.Finish();
        var finished = Output(model);
        session.Dispose();
        optimizer.Dispose();
        session.Dispose();

        Output(model).Should().Equal(finished);
    }

    [Fact]
    public void Finishing_twice_is_an_error()
    {
        using var model = new OpenNetwork();
        using var optimizer = InjectionTests.ReLoRA(Injection.Auto).Attach(model).CreateOptimizer();
        optimizer.Session.Finish();

        optimizer.Session.Invoking(session => session.Finish()).Should().Throw<InvalidOperationException>().WithMessage("*finished*");
        FluentActions.Invoking(() => Step(model, optimizer)).Should().Throw<InvalidOperationException>().WithMessage("*finished*");
    }

    /// <summary>Finish, then save where the run was saved before: the checkpoint from which it could be resumed would be gone, and no session could load the
    /// new one.</summary>
    [Theory]
    [MemberData(nameof(Methods))]
    public void Checkpoint_of_the_run_is_not_written_over_when_the_model_is_finished(ILowRankStrategy method)
    {
        using var folder = new TemporaryDirectory();
        using var model = Seeded(new OpenNetwork());
        using var optimizer = method.Attach(model).CreateOptimizer();
        Run(model, optimizer, 2);
        TrainingCheckpoint.Save(folder.Path, model, optimizer);
        optimizer.save_state_dict(Path.Combine(folder.Path, "state"));
        var before = Directory.GetFiles(folder.Path).ToDictionary(file => file, File.ReadAllBytes);
        optimizer.Session.Finish();
        var weights = Weights(model);
        Action[] uses =
        [
            () => TrainingCheckpoint.Save(folder.Path, model, optimizer), () => TrainingCheckpoint.Load(folder.Path, model, optimizer),
            () => optimizer.save_state_dict(Path.Combine(folder.Path, "state")), () => optimizer.load_state_dict(Path.Combine(folder.Path, "state")),
            () => optimizer.step(),
        ];

        foreach (var use in uses)
            if (method is GaLore)
                use.Should().NotThrow("the model was a plain one all along");
            else
                use.Should().Throw<InvalidOperationException>().WithMessage("The session is finished*model.save*Nothing was*");

        if (method is GaLore)
            return;
        Directory.GetFiles(folder.Path).ToDictionary(file => file, File.ReadAllBytes).Should().BeEquivalentTo(before);
        Weights(model).Should().BeEquivalentTo(weights);
    }

    [Fact]
    public void Finished_model_can_be_adapted_again()
    {
        using var model = Seeded(new OpenNetwork());
        using (var first = InjectionTests.ReLoRA(Injection.Auto).Attach(model).CreateOptimizer())
        {
            Run(model, first, 2);
            first.Session.Finish();
        }

        using var second = InjectionTests.LoRA(Injection.Auto).Attach(model).CreateOptimizer();
        Run(model, second, 2);

        ((AdapterSession)second.Session).Layers.Should().OnlyContain(layer => layer.Injection == Injection.Replace);
    }

    [Fact]
    public void Mode_of_the_model_survives()
    {
        using var model = new OpenNetwork();
        using var session = InjectionTests.LoRA(Injection.Replace).Attach(model);
        model.eval();

        session.Finish();

        ((Linear)model.named_children().First().module).training.Should().BeFalse();
    }

    private static nn.Module<Tensor, Tensor> Make(bool closed) => closed ? new SealedNetwork() : new OpenNetwork();
}
