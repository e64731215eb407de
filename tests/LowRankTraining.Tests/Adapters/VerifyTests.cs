using FluentAssertions;
using LowRankTraining.Checkpoints;
using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Adapters;

/// <summary>One call tells which adapters act in a model.</summary>
public class VerifyTests
{
    public static TheoryData<string> Methods => ["lora", "lora, hook", "dora", "dora, hook", "lora, NF4", "cola", "sltrain"];

    [Theory]
    [MemberData(nameof(Methods))]
    public void Every_adapter_that_runs_is_named_and_every_matrix_that_was_left_out_with_the_reason(string method)
    {
        using var model = Training.Seeded(new OpenNetwork());
        using var session = Attach(method, model);

        var seen = session.Verify(() => Run(model));

        seen.Acting.Should().Equal("first.weight", "second.weight");
        seen.Idle.Should().BeEmpty();
        seen.LeftOut.Should().ContainSingle().Which.Should().Match<(string Name, string Reason)>(matrix =>
            matrix.Name == "lm_head.weight" && matrix.Reason.Contains("except 'embed', 'lm_head'"));
        seen.ToString().Should().Contain("2 of 2 adapted matrices act").And.Contain("lm_head.weight: left out");
    }

    /// <summary>No weight holds one.</summary>
    [Fact]
    public void Gradient_that_is_taken_as_it_arises_counts()
    {
        using var model = Training.Seeded(new OpenNetwork());
        using var optimizer = new LoRA { Rank = 2, TrainOthers = true, Injection = Injection.Shadow }.Attach(model, gradients: GradientFlow.Projected)
            .CreateOptimizer();
        var session = (AdapterSession)optimizer.Session;

        session.Verify(() => RunBackward(model)).WithoutGradient.Should().BeEmpty();
        optimizer.step();
        optimizer.zero_grad();
        model.get_parameter("second.weight")!.requires_grad = false;
        session.Verify(() => RunBackward(model)).WithoutGradient.Should().Equal("second.weight");
    }

    [Theory]
    [InlineData("lora, hook")]
    [InlineData("dora")]
    public void Hooks_that_the_model_passes_by_are_refused_as_often_as_it_is_asked(string method)
    {
        using var model = Training.Seeded(new SealedNetwork(passesHooksBy: true));
        using var session = Attach(method, model);
        var verify = () => session.Verify(() => Run(model));

        for (var again = 0; again < 3; again++)
            verify.Should().Throw<InvalidOperationException>()
                .WithMessage("*'first.weight', 'second.weight'*passes hooks by*layer.call(x)*Nothing was changed*");
    }

    [Fact]
    public void Loaded_adapter_without_effect_is_found_without_a_step()
    {
        using var directory = new TemporaryDirectory();
        using (var trained = Training.Seeded(new SealedNetwork()))
        using (var session = Attach("lora", trained))
        using (var optimizer = session.CreateOptimizer(lr: 0.01))
        {
            Training.Run(trained, optimizer, 3);
            PeftAdapter.Save(directory.Path, session);
        }

        using var model = Training.Seeded(new SealedNetwork(passesHooksBy: true));
        using var plain = Attach("lora", model);
        PeftAdapter.Load(directory.Path, plain);

        plain.Invoking(session => session.Verify(() => Run(model)))
            .Should().Throw<InvalidOperationException>().WithMessage("*change nothing of what the model computes*");
    }

    [Fact]
    public void Layer_that_the_first_step_will_shadow_is_idle_and_no_error()
    {
        using var model = Training.Seeded(new SealedNetwork(passesHooksBy: true));
        using var session = Attach("lora", model);

        var seen = session.Verify(() => Run(model));
        seen.Idle.Should().Equal("first.weight", "second.weight");
        seen.ToString().Should().Contain("first.weight: not run by call() in the batch").And.Contain("shadowed in the first step");
        using var optimizer = session.CreateOptimizer(lr: 0.01);
        Training.Run(model, optimizer, 2);

        session.Verify(() => Run(model)).Acting.Should().Equal("first.weight", "second.weight");
    }

    [Fact]
    public void Layer_that_a_batch_leaves_out_is_found_after_training_too_and_its_absence_changes_nothing()
    {
        using var model = Training.Seeded(new OpenNetwork());
        using var session = Attach("lora", model);
        using var optimizer = session.CreateOptimizer(lr: 0.01);
        Training.Run(model, optimizer, 3);

        session.Invoking(it => it.Verify(() => { })).Should().Throw<InvalidOperationException>().WithMessage("*has not run 'first.weight', 'second.weight'*");
        Training.Run(model, optimizer, 1);
        session.Verify(() => Run(model)).Idle.Should().BeEmpty();
    }

    [Fact]
    public void Backward_pass_tells_who_gets_a_gradient()
    {
        using var model = Training.Seeded(new OpenNetwork());
        using var session = Attach("lora", model);

        var seen = session.Verify(() => RunBackward(model));

        seen.WithoutGradient.Should().BeEmpty();
        session.Verify(() => Run(model)).WithoutGradient.Should().BeEmpty("nothing ran backward since, and the gradients are still there");
    }

    private static void Run(nn.Module<Tensor, Tensor> model)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        model.call(Training.Inputs(model));
    }

    private static void RunBackward(nn.Module<Tensor, Tensor> model)
    {
        using var scope = NewDisposeScope();
        model.call(Training.Inputs(model)).square().mean().backward();
    }

    private static AdapterSession Attach(string method, nn.Module model) => (AdapterSession)(method switch
    {
        "lora" => (ILowRankStrategy)new LoRA { Rank = 4 },
        "lora, hook" => new LoRA { Rank = 4, Injection = Injection.Hook },
        "dora" => new DoRA { Rank = 4 },
        "dora, hook" => new DoRA { Rank = 4, Injection = Injection.Hook },
        "lora, NF4" => new LoRA { Rank = 4, Base = BaseFormat.NF4 },
        "cola" => new CoLA { Rank = 4 },
        _ => new SLTrain { Rank = 4 },
    }).Attach(model);
}
