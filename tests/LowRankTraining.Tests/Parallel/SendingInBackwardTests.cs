using FluentAssertions;
using LowRankTraining.Checkpoints;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Parallel;

/// <summary>What is projected is sent while the backward pass goes on: the bits are those of sending it in the step, whatever happens on the way.</summary>
public class SendingInBackwardTests
{
    private const int Steps = 9, Width = 12, Rows = 4, Irregular = 6;

    /// <summary>Numbers of three matrices whose long side is 24, in subspaces of rank 3.</summary>
    private const int Projected = 3 * 3 * 24;

    private static readonly Dictionary<string, GradientSpaceMethod> Methods = new()
    {
        ["galore"] = new GaLore { Rank = 3, RefreshEvery = 4 },
        ["galore2"] = new GaLore2 { Rank = 3, RefreshEvery = 4 },
        ["ldadam"] = new LDAdam { Rank = 3, RefreshEvery = 4, Feedback = null },
    };

    /// <summary>What one rank, or all, do otherwise than always in one of the steps.</summary>
    private static readonly Dictionary<string, Action<Ranked>> Irregularities = new()
    {
        ["a longer window"] = one =>
        {
            one.Backward();
            one.Optimizer.accumulate();
            one.Backward(lane: 1);
        },
        ["a second backward pass on one rank"] = one =>
        {
            one.Backward();
            if (one.World.Rank == 1)
                one.Backward(lane: 1);
        },
        ["a rank without a batch"] = one =>
        {
            one.Optimizer.LocalTokens = one.World.Rank;
            if (one.World.Rank == 1)
                one.Backward();
        },
        ["tokens that are known after the backward pass"] = one =>
        {
            one.Backward();
            one.Optimizer.LocalTokens = 1 + one.World.Rank;
        },
        ["a batch that one rank takes again"] = one =>
        {
            one.Backward();
            if (one.World.Rank == 0)
            {
                one.Optimizer.zero_grad();
                one.Backward(lane: 1);
            }
        },
        ["a batch that one rank drops"] = one =>
        {
            one.Backward();
            if (one.World.Rank == 1)
                one.Optimizer.zero_grad();
        },
        ["a layer that one rank does not run"] = one =>
        {
            one.Model.Skips = one.World.Rank == 1;
            one.Backward();
            one.Model.Skips = false;
        },
        ["a layer that is run three times"] = one =>
        {
            one.Model.Uses = 3;
            one.Backward();
            one.Model.Uses = 2;
        },
        ["a layer that is frozen and thawed"] = one =>
        {
            one.Model.First.weight!.requires_grad = false;
            one.Backward();
            one.Optimizer.step();
            one.Optimizer.zero_grad();
            one.Model.First.weight!.requires_grad = true;
            one.Backward();
        },
        ["a backward pass that fails on one rank"] = one =>
        {
            if (one.World.Rank == 1)
            {
                one.Backward(fails: true);
                FluentActions.Invoking(() => one.Optimizer.step()).Should().Throw<NotSupportedException>();
                one.Optimizer.zero_grad();
            }

            one.Backward();
        },
        ["a norm and no step"] = one =>
        {
            one.Backward();
            one.Optimizer.clip_grad_norm_(1);
            one.Optimizer.zero_grad();
            one.Backward(lane: 1);
        },
        ["a scaled loss"] = one =>
        {
            one.Backward(scale: 3);
            new LossScaler(init_scale: 3).unscale_(one.Optimizer);
        },
        ["a gradient that is not finite on one rank"] = one => one.Backward(scale: one.World.Rank == 1 ? double.NaN : 1),
        ["a gradient of zeros"] = one => one.Backward(scale: 0),
    };

    public static TheoryData<string, int, int> Worlds
    {
        get
        {
            var data = new TheoryData<string, int, int>();
            foreach (var method in Methods.Keys)
                foreach (var (ranks, lanes) in new[] { (2, 2), (3, 3), (4, 4), (2, 8), (4, 8) })
                    data.Add(method, ranks, lanes);
            return data;
        }
    }

    public static TheoryData<string> AllIrregularities => [.. Irregularities.Keys];

    [Theory, MemberData(nameof(Worlds))]
    public void Bits_are_those_of_sending_in_the_step(string method, int ranks, int lanes)
    {
        var expected = Train(method, ranks, lanes, sendsInBackward: false);

        Train(method, ranks, lanes, sendsInBackward: true).Should().Equal(expected);
    }

    [Theory, MemberData(nameof(AllIrregularities))]
    public void Whatever_happens_bits_are_those_of_sending_in_the_step(string irregularity)
    {
        var expected = Train("galore", ranks: 2, lanes: 2, sendsInBackward: false, Irregularities[irregularity]);

        Train("galore", ranks: 2, lanes: 2, sendsInBackward: true, Irregularities[irregularity]).Should().Equal(expected);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    public void Everything_that_is_projected_is_sent_before_the_step(int ranks) => With("galore", ranks, ranks, one =>
    {
        TakeSteps(one, 1, 2);
        one.Optimizer.CompareEvery = 0;
        var before = one.Optimizer.BytesSent;
        one.Backward();

        // And how much each rank counts.
        var expected = before + (ranks - 1) * sizeof(double) + 2 * (ranks - 1) * TreeSum.PaddedLength(Projected, ranks) / ranks * sizeof(float);
        SpinWait.SpinUntil(() => one.Optimizer.BytesSent == expected, TimeSpan.FromMinutes(1)).Should().BeTrue($"{one.Optimizer.BytesSent} of {expected}");
        one.Optimizer.step();

        one.Optimizer.BytesSent.Should().Be(expected + (ranks - 1) * (41 + 5)
            + 2 * (ranks - 1) * TreeSum.PaddedLength(24 + Width, ranks) / ranks * sizeof(float));
    });

    [Fact]
    public void What_has_to_be_sent_twice_again_and_again_is_tried_less_and_less_often()
    {
        // Before the 2nd step, the 4th, the 8th, the 16th and the 32nd, or one later where a step finds a new subspace.
        ((Sent(sendsInBackward: true) - Sent(sendsInBackward: false)) / (Projected * sizeof(float) + sizeof(double))).Should().BeInRange(2, 6);

        long Sent(bool sendsInBackward)
        {
            var bytes = 0L;
            With("galore", 2, 2, one =>
            {
                one.Optimizer.SendsInBackward = sendsInBackward;
                for (one.Step = 1; one.Step <= 40; one.Step++)
                {
                    one.Optimizer.zero_grad();
                    one.Optimizer.LocalTokens = 1;
                    one.Backward();
                    one.Optimizer.LocalTokens = 1 + one.World.Rank;
                    one.Optimizer.step();
                }

                if (one.World.Rank == 0)
                    bytes = one.Optimizer.BytesSent;
            });
            return bytes;
        }
    }

    [Fact]
    public void Ranks_that_send_at_different_times_are_named() => FluentActions.Invoking(() => With("galore", 2, 2, one =>
    {
        one.Optimizer.SendsInBackward = one.World.Rank == 0;
        TakeSteps(one, 1, 3);
    })).Should().Throw<InvalidOperationException>().WithMessage("Process 1 sends 0 numbers in the backward pass and process 0 216: change SendsInBackward*");

    [Fact]
    public void State_that_is_loaded_before_the_step_is_that_of_the_checkpoint()
    {
        using var folder = new TemporaryDirectory();
        var expected = Resume(sendsInBackward: false);

        Resume(sendsInBackward: true).Should().Equal(expected);

        float[] Resume(bool sendsInBackward) => Train("galore", 2, 2, sendsInBackward, one =>
        {
            TrainingCheckpoint.Save(folder.Path, one.Model, one.Optimizer);
            Barrier(one.World);
            one.Backward();
            one.Optimizer.zero_grad();
            TrainingCheckpoint.Load(folder.Path, one.Model, one.Optimizer);
            one.Backward(lane: 1);
        });
    }

    private static void Barrier(ICollective world)
    {
        using var one = zeros(1);
        world.AllReduce(one);
    }

    private static float[] Train(string method, int ranks, int lanes, bool sendsInBackward, Action<Ranked>? irregularity = null)
    {
        var weights = new float[ranks][];
        With(method, ranks, lanes, one =>
        {
            one.Optimizer.SendsInBackward = sendsInBackward;
            TakeSteps(one, 1, Steps, irregularity);
            weights[one.World.Rank] = [.. one.Model.parameters().SelectMany(parameter => parameter.data<float>().ToArray())];
        });
        weights.Should().AllSatisfy(replica => replica.Should().Equal(weights[0]));
        return weights[0];
    }

    private static void TakeSteps(Ranked one, int first, int last, Action<Ranked>? irregularity = null)
    {
        for (one.Step = first; one.Step <= last; one.Step++)
        {
            one.Optimizer.zero_grad();
            one.Optimizer.LocalTokens = 1;
            if (irregularity is not null && one.Step is Irregular or Irregular + 1)
                irregularity(one);
            else
                one.Window();
            one.Optimizer.step();
        }
    }

    private static void With(string method, int ranks, int lanes, Action<Ranked> work)
    {
        var models = Enumerable.Range(0, ranks).Select(_ => Net.Make()).ToArray();
        InProcessWorld.Run(ranks, world =>
        {
            var model = models[world.Rank];
            using var optimizer = Methods[method].Attach(model, gradients: GradientFlow.Projected).CreateOptimizer(lr: 0.01, world);
            optimizer.CompareEvery = 1;
            work(new Ranked(world, model, optimizer));
        }, lanes);
    }

    /// <summary>A rank at work.</summary>
    private sealed record Ranked(ICollective World, Net Model, LowRankOptimizer Optimizer)
    {
        public int Step { get; set; }

        public void Window()
        {
            var lanes = World.Lanes / World.Size;
            for (var lane = 0; lane < lanes; lane++)
            {
                Backward(lane);
                if (lane < lanes - 1)
                    Optimizer.accumulate();
            }
        }

        public void Backward(int lane = 0, double scale = 1, bool fails = false)
        {
            using var scope = NewDisposeScope();
            var input = Draw.Normal(Rows, Width, (ulong)(1000 * Step + 10 * World.Rank + lane)).to(ScalarType.Float32);

            // There is no derivative of a projection: it is refused.
            ((Model.call(input) - input.sin()).square().mean() * scale).backward(create_graph: fails);
        }
    }

    private sealed class Net : nn.Module<Tensor, Tensor>
    {
        private readonly Linear second = nn.Linear(24, 24, hasBias: false), third = nn.Linear(24, Width);

        private Net() : base(nameof(Net)) => RegisterComponents();

        public Linear First { get; } = nn.Linear(Width, 24);

        public int Uses { get; set; } = 2;

        public bool Skips { get; set; }

        public static Net Make()
        {
            manual_seed(1);
            var net = new Net();
            net.register_module("first", net.First);
            return net;
        }

        public override Tensor forward(Tensor input)
        {
            var hidden = First.call(input).tanh();
            for (var use = 0; use < (Skips ? 0 : Uses); use++)
                hidden = second.call(hidden).tanh();
            return third.call(hidden);
        }
    }
}
