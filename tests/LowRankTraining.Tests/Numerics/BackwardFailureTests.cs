using FluentAssertions;
using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Adapters;
using TorchSharp;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Numerics;

/// <summary>An exception in a backward pass of the library's own, which must not leave it: native code would end the process.</summary>
public class BackwardFailureTests
{
    [Fact]
    public void Failure_is_thrown_by_the_next_forward_pass_and_only_once()
    {
        using var scope = NewDisposeScope();
        using var broken = Layer();
        using var sound = Layer();
        var loss = broken.call(Inputs()).sum() + sound.call(Inputs()).sum();
        broken.get_buffer("weight_codes")!.Dispose();

        loss.Invoking(sum => sum.backward()).Should().NotThrow();

        (broken.bias!.grad is null).Should().BeTrue("there is no gradient that could be taken for a result");
        (sound.bias!.grad is null).Should().BeFalse();
        sound.Invoking(layer => layer.call(Inputs())).Should().Throw<Exception>();
        sound.Invoking(layer => layer.call(Inputs())).Should().NotThrow();
    }

    [Fact]
    public void Failure_of_a_layer_above_another_one_leaves_the_process_alive_and_is_thrown()
    {
        using var scope = NewDisposeScope();
        using var below = Layer();
        using var broken = new QuantizedLowRankLinear(nn.Linear(6, 4), rank: 2);
        var loss = broken.call(below.call(Inputs()).tanh()).sum();
        broken.get_buffer("weight_codes")!.Dispose();

        loss.Invoking(sum => sum.backward()).Should().NotThrow();

        (broken.bias!.grad is null).Should().BeTrue();
        below.Invoking(layer => layer.call(Inputs())).Should().Throw<Exception>();
    }

    /// <summary>TorchSharp asks for zeros like the output then, which a dispose scope may have disposed long ago.</summary>
    [Fact]
    public void Function_above_that_gives_no_gradient_counts_as_zeros()
    {
        using var scope = NewDisposeScope();
        using var below = Layer();
        var inputs = Inputs().requires_grad_();

        Blocked.apply(InAScope()).sum().backward();

        inputs.grad!.count_nonzero().ToInt64().Should().Be(0);

        Tensor InAScope()
        {
            using var inner = NewDisposeScope();
            return below.call(inputs).MoveToOuterDisposeScope();
        }
    }

    /// <summary>A loop that awaits its data, or its log, between the backward pass and the step.</summary>
    [Fact]
    public async Task Failure_is_thrown_by_the_step_after_an_await_that_another_thread_goes_on_after()
    {
        var failure = await FailureOf(StepAfterAwait());

        failure.Should().BeOfType<InvalidOperationException>().Which.Message.Should().Contain("second gradient before step()");

        static async Task<int> StepAfterAwait()
        {
            using var model = nn.Sequential(("first", nn.Linear(8, 16)), ("second", nn.Linear(16, 8)));
            using var optimizer = new GaLore { Rank = 2 }.Attach(model, gradients: GradientFlow.Stepped).CreateOptimizer();
            for (var pass = 0; pass < 2; pass++)
                model.call(Normal((ulong)pass, ScalarType.Float32, 4, 8)).square().mean().backward();

            var before = Environment.CurrentManagedThreadId;
            await Task.Factory.StartNew(() => Thread.Sleep(50), default, TaskCreationOptions.LongRunning, TaskScheduler.Default).ConfigureAwait(false);
            Environment.CurrentManagedThreadId.Should().NotBe(before);
            optimizer.step();
            return 0;
        }

        static async Task<Exception?> FailureOf(Task task)
        {
            try
            {
                await task.ConfigureAwait(false);
                return null;
            }
            catch (InvalidOperationException failure)
            {
                return failure;
            }
        }
    }

    /// <summary>A pool of threads of a program's own, which know nothing of each other: what was started without the flow of its starter.</summary>
    [Theory]
    [InlineData("lora"), InlineData("stepped"), InlineData("sltrain"), InlineData("q-galore")]
    public void Failure_is_thrown_by_the_step_of_a_thread_without_the_flow_and_by_no_other_optimizer(string name)
    {
        using var scope = NewDisposeScope();
        using var other = Seeded(new OpenNetwork());
        using var model = Seeded(new OpenNetwork());
        using var unconcerned = new GaLore { Rank = 2 }.Attach(other).CreateOptimizer(0.01);
        using var optimizer = (name switch
        {
            "lora" => new LoRA { Rank = 4, Base = BaseFormat.NF4 }.Attach(model),
            "stepped" => new GaLore { Rank = 2 }.Attach(model, gradients: GradientFlow.Stepped),
            "sltrain" => new SLTrain { Rank = 2, Density = 0.2 }.Attach(model),
            _ => new QGaLore { Rank = 2 }.Attach(model),
        }).CreateOptimizer(0.01);
        if (name == "stepped")
            model.call(Training.Inputs(model)).square().mean().backward();
        var loss = model.call(Training.Inputs(model)).square().mean();
        if (name != "stepped")
            model.named_buffers().First(buffer => buffer.name.StartsWith("second.", StringComparison.Ordinal)).buffer.Dispose();

        OnThreadOfItsOwn(loss.backward).Should().BeNull();

        OnThreadOfItsOwn(() => unconcerned.step()).Should().BeNull();
        OnThreadOfItsOwn(() => optimizer.step()).Should().NotBeNull();
        (unconcerned.CompletedSteps, optimizer.CompletedSteps).Should().Be((1, 0));
        Training.Inputs(other).Invoking(inputs => other.call(inputs)).Should().NotThrow("it has been thrown once");
    }

    [Fact]
    public void Failure_of_a_pass_on_another_thread_reaches_the_one_that_ran_the_forward_pass()
    {
        using var scope = NewDisposeScope();
        using var broken = Layer();
        using var sound = Layer();
        var loss = broken.call(Inputs()).sum();
        broken.get_buffer("weight_codes")!.Dispose();

        var worker = new Thread(() => loss.backward());
        worker.Start();
        worker.Join();

        sound.Invoking(layer => layer.call(Inputs())).Should().Throw<Exception>();
    }

    [Fact]
    public void Failure_is_thrown_by_the_step_before_anything_is_changed()
    {
        using var scope = NewDisposeScope();
        using var model = Seeded(new OpenNetwork());
        using var optimizer = new LoRA { Rank = 4, Base = BaseFormat.NF4 }.Attach(model).CreateOptimizer(0.01);
        var before = Weights(model);
        var loss = model.call(Training.Inputs(model)).square().mean();
        model.get_buffer("second.weight_codes")!.Dispose();
        loss.backward();

        optimizer.Invoking(own => own.step()).Should().Throw<Exception>();

        optimizer.CompletedSteps.Should().Be(0);
        Weights(model).Should().BeEquivalentTo(before);
    }

    [Fact]
    public void Failure_in_a_closure_is_thrown_by_the_step_that_ran_it()
    {
        using var scope = NewDisposeScope();
        using var model = Seeded(new OpenNetwork());
        using var optimizer = new LoRA { Rank = 4, Base = BaseFormat.NF4 }.Attach(model).CreateOptimizer(0.01);
        var before = Weights(model);

        optimizer.Invoking(own => own.step(() =>
        {
            var loss = model.call(Training.Inputs(model)).square().mean();
            model.get_buffer("second.weight_codes")!.Dispose();
            loss.backward();
            return loss;
        })).Should().Throw<Exception>();

        optimizer.CompletedSteps.Should().Be(0);
        Weights(model).Should().BeEquivalentTo(before);
    }

    private static Exception? OnThreadOfItsOwn(Action action)
    {
        Exception? failure = null;
        var thread = new Thread(() => failure = Record.Exception(action));
        thread.UnsafeStart();
        thread.Join();
        return failure;
    }

    private static QuantizedLowRankLinear Layer() => new(nn.Linear(8, 6), rank: 2);

    private static Tensor Inputs() => Normal(1, ScalarType.Float32, 4, 8).requires_grad_();

    private sealed class Blocked : autograd.SingleTensorFunction<Blocked>
    {
        public override string Name => nameof(Blocked);

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars) => ((Tensor)vars[0]).clone();

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output) => [null!];
    }
}
