using FluentAssertions;
using LowRankTraining.Checkpoints;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Strategies;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Scenarios;

/// <summary>Every method on a model that has a bit of everything.</summary>
public class UnusualModelTests
{
    private const int Steps = 3;

    public static TheoryData<string> Methods => [.. LowRankStrategies.All.Select(method => method.Name)];

    [Theory, MemberData(nameof(Methods))]
    public void Model_with_parameters_of_every_kind_trains_resumes_and_is_finished(string name)
    {
        var method = OptionTrial.Short(LowRankStrategies.Create(name));
        RequireSound(method, ScalarType.Float32, ScalarType.Float32, GradientFlow.Whole, 1e-3);
        try
        {
            RequireSound(method, ScalarType.BFloat16, ScalarType.Float32, GradientFlow.Projected, 0.15);
        }
        catch (NotSupportedException)
        {
            RequireSound(method, ScalarType.BFloat16, ScalarType.Float32, GradientFlow.Whole, 0.15);
        }
    }

    [Fact]
    public void Layer_without_outputs_is_no_target()
    {
        using var model = nn.Linear(16, 0);

        FluentActions.Invoking(() => new GaLore { Rank = 2 }.Attach(model, Targets.AllLinear())).Should().Throw<ArgumentException>().WithMessage("*No matrix*");
    }

    private static void RequireSound(ILowRankStrategy method, ScalarType dtype, ScalarType dtypeOfNorm, GradientFlow flow, double tolerance)
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryDirectory();
        var (whole, optimizer) = Make(1);
        Train(whole, optimizer, from: 0);
        TrainingCheckpoint.Save(folder.Path, whole, optimizer);

        // What WeLore does depends on the weights that it finds.
        var (resumed, again) = Make(method is WeLore ? 1 : 2);
        TrainingCheckpoint.Load(folder.Path, resumed, again);
        Train(whole, optimizer, from: Steps);
        Train(resumed, again, from: Steps);
        foreach (var (name, tensor) in whole.state_dict())
            BytesOf(tensor).Should().Equal(BytesOf(resumed.state_dict()[name]), "of {0}", name);

        whole.eval();
        var before = whole.call(Input(99)).to(ScalarType.Float64);
        optimizer.Session.Finish();
        Draw.Error(whole.call(Input(99)), before).Should().BeLessThan(tolerance);

        (Unusual, LowRankOptimizer) Make(int seed)
        {
            manual_seed(seed);
            var model = new Unusual(dtype, dtypeOfNorm);
            return (model, method.Attach(model, null, flow).CreateOptimizer(1e-3, weight_decay: 0.1));
        }

        Tensor Input(int seed) => Draw.Normal([8, 12], (ulong)seed).to(dtype);

        void Train(Unusual model, LowRankOptimizer with, int from)
        {
            for (var step = from; step < from + Steps; step++)
            {
                using var inner = NewDisposeScope();
                with.zero_grad();
                model.call(Input(step)).to(ScalarType.Float32).square().mean().backward();
                with.clip_grad_norm_(1);
                with.step();
            }
        }
    }

    private static byte[] BytesOf(Tensor tensor) => tensor.detach().contiguous().bytes.ToArray();
}
