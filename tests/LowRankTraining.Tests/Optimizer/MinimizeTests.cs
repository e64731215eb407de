using FluentAssertions;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Adapters;
using LowRankTraining.Tests.Strategies;
using TorchSharp;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Optimizer;

/// <summary>A step in one call is the step in four.</summary>
public class MinimizeTests
{
    public static TheoryData<string> Methods => ["galore", "fira", "relora", "lora"];

    [Theory, MemberData(nameof(Methods))]
    public void Step_in_one_call_has_the_bits_of_the_loop_and_frees_what_it_makes(string method)
    {
        using var scope = NewDisposeScope();
        using var model = Seeded(new OpenNetwork());
        using var other = Seeded(new OpenNetwork());
        using var optimizer = OptionTrial.Asking(LowRankStrategies.Create(method)).Attach(model).CreateOptimizer(0.01);
        using var stepper = OptionTrial.Asking(LowRankStrategies.Create(method)).Attach(other).CreateOptimizer(0.01);
        var input = Normal(1, ScalarType.Float32, 5, 12);
        long live = 0;

        for (var step = 0; step < 6; step++)
        {
            stepper.zero_grad();
            var loss = other.call(input).square().mean();
            loss.backward();
            stepper.step();

            live = step == 3 ? DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount : live;
            using (no_grad())
                optimizer.minimize(() => model.call(input).square().mean()).Should().Be(loss.ToDouble());
            if (step == 3)
                DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount.Should().Be(live);
        }

        Weights(model).Should().BeEquivalentTo(Weights(other));
        optimizer.CompletedSteps.Should().Be(6);
    }

    [Fact]
    public void What_is_no_loss_is_refused_and_changes_no_weight()
    {
        using var scope = NewDisposeScope();
        using var model = Seeded(new OpenNetwork());
        using var optimizer = new GaLore { Rank = 2 }.Attach(model).CreateOptimizer(0.01);
        var input = Normal(1, ScalarType.Float32, 5, 12);
        var before = Weights(model);

        Refused(() => null!, "*returned no loss*");
        Refused(Disposed, "*it has disposed*leave its 'using' out*");
        Refused(() => model.call(input), "*shape [5, 6]*mean or its sum*");
        Refused(() => input.mean(), "*does not depend on any parameter*");
        Refused(() => model.call(input).mean().detach(), "*detach()*");
        optimizer.Invoking(it => it.minimize(() => throw new TimeoutException())).Should().Throw<TimeoutException>();
        optimizer.Invoking(it => it.minimize(null!)).Should().Throw<ArgumentNullException>();

        Weights(model).Should().BeEquivalentTo(before);
        optimizer.CompletedSteps.Should().Be(0);
        optimizer.minimize(() => model.call(input).square().mean()).Should().BePositive();

        Tensor Disposed()
        {
            using var loss = model.call(input).square().mean();
            return loss;
        }

        void Refused(Func<Tensor> loss, string message) =>
            optimizer.Invoking(it => it.minimize(loss)).Should().Throw<ArgumentException>().WithMessage(message);
    }
}
