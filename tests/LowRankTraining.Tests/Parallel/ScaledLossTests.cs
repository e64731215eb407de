using FluentAssertions;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Parallel;

/// <summary>A loss that is scaled, in several processes and lanes.</summary>
public class ScaledLossTests
{
    private const int Width = 12, Steps = 5;

    private static readonly Dictionary<string, GradientSpaceMethod> Methods = new()
    {
        ["galore"] = new GaLore { Rank = 3, RefreshEvery = 2 },
        ["fira"] = new Fira { Rank = 3, RefreshEvery = 2 },
    };

    [Theory]
    [InlineData("galore", 2, 2)]
    [InlineData("galore", 1, 4)]
    [InlineData("galore", 2, 4)]
    [InlineData("fira", 1, 4)]
    [InlineData("fira", 2, 4)]
    public void Bits_are_those_of_the_loss_itself(string method, int ranks, int lanes) =>
        Train(method, ranks, lanes, new(init_scale: 1024)).Should().Equal(Train(method, ranks, lanes, scaler: null));

    [Theory]
    [InlineData(2, 2)]
    [InlineData(2, 4)]
    public void Step_is_left_out_by_all_where_one_has_a_gradient_that_is_not_finite(int ranks, int lanes)
    {
        var models = Models(ranks);
        InProcessWorld.Run(ranks, world =>
        {
            var (model, scaler) = (models[world.Rank], new LossScaler(init_scale: 8));
            using var optimizer = Methods["galore"].Attach(model).CreateOptimizer(lr: 0.01, world);
            foreach (var lane in Enumerable.Range(0, lanes / ranks))
            {
                scaler.scale(Loss(model, step: 1, 10 * world.Rank + lane) * (world.Rank == 1 && lane == 0 ? double.PositiveInfinity : 1)).backward();
                optimizer.accumulate();
            }

            scaler.step(optimizer).Should().BeFalse();

            (scaler.CurrentScale, optimizer.CompletedSteps).Should().Be((4, 0));
        }, lanes);
    }

    private static float[] Train(string method, int ranks, int lanes, LossScaler? scaler)
    {
        var models = Models(ranks);
        InProcessWorld.Run(ranks, world =>
        {
            var (model, own) = (models[world.Rank], scaler is null ? null : new LossScaler(scaler.CurrentScale));
            using var optimizer = Methods[method].Attach(model).CreateOptimizer(lr: 0.01, world);
            for (var step = 1; step <= Steps; step++)
            {
                optimizer.zero_grad();
                foreach (var lane in Enumerable.Range(0, lanes / ranks))
                {
                    using var scope = NewDisposeScope();
                    var loss = Loss(model, step, 10 * world.Rank + lane);
                    (own?.scale(loss) ?? loss).backward();
                    if (lane < lanes / ranks - 1)
                        optimizer.accumulate();
                }

                if (own is null)
                    optimizer.step();
                else
                    own.step(optimizer).Should().BeTrue();
            }
        }, lanes);
        return [.. models[0].parameters().SelectMany(parameter => parameter.data<float>().ToArray())];
    }

    private static Tensor Loss(Sequential model, int step, int part)
    {
        var input = Draw.Normal(4, Width, (ulong)(100 * step + part)).to(ScalarType.Float32);
        return (model.call(input) - input.sin()).square().mean();
    }

    /// <summary>Of four matrices, so that two processes can divide them.</summary>
    private static Sequential[] Models(int ranks) => [.. Enumerable.Range(0, ranks).Select(_ =>
    {
        manual_seed(1);
        return nn.Sequential(Enumerable.Range(0, 4)
            .Select(layer => ($"layer{layer}", (nn.Module<Tensor, Tensor>)nn.Linear(Width, Width, hasBias: false))).ToArray());
    })];
}
