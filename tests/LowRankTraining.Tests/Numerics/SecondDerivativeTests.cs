using FluentAssertions;
using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Adapters;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Numerics;

/// <summary>A loss that contains a gradient, as a gradient penalty does: through adapted layers it is right, or it is refused.</summary>
public class SecondDerivativeTests
{
    private const int Inside = 5, Outside = 4;

    private static readonly Dictionary<string, Func<nn.Module<Tensor, Tensor>, ILowRankSession>> Methods = new()
    {
        ["lora"] = model => new LoRA { Rank = 2, Injection = Injection.Replace }.Attach(model, Targets.AllLinear()),
        ["lora, hook"] = model => new LoRA { Rank = 2, Injection = Injection.Hook }.Attach(model, Targets.AllLinear()),
        ["lora, dropout"] = model => new LoRA { Rank = 2, Injection = Injection.Replace, Dropout = 0.3 }.Attach(model, Targets.AllLinear()),
        ["lora, NF4"] = model => new LoRA { Rank = 2, Base = BaseFormat.NF4 }.Attach(model, Targets.AllLinear()),
        ["sltrain"] = model => new SLTrain { Rank = 2, Density = 0.2, StartsFromWeight = true }.Attach(model, Targets.AllLinear()),
        ["cola"] = model => new CoLA { Rank = 2 }.Attach(model, Targets.AllLinear()),
    };

    public static TheoryData<string, int> Batches()
    {
        var cases = new TheoryData<string, int>();
        foreach (var method in Methods.Keys)
            foreach (var batch in new[] { 1, 3, 200 })
                cases.Add(method, batch);
        return cases;
    }

    [Theory, MemberData(nameof(Batches))]
    public void Gradient_of_a_gradient_penalty_is_that_of_finite_differences(string method, int batch)
    {
        using var scope = NewDisposeScope();
        // Codes are of float32 weights only: differences are coarser there.
        var (dtype, step, tolerance) = method.Contains("NF4") ? (ScalarType.Float32, 1e-2, 0.02) : (ScalarType.Float64, 1e-5, 1e-5);
        using var model = nn.Sequential(
            ("first", nn.Linear(Inside, Outside, dtype: dtype)), ("bend", nn.Tanh()), ("second", nn.Linear(Outside, Outside, dtype: dtype)));
        Fill(model);
        using var optimizer = Methods[method](model).CreateOptimizer(lr: 0.1);
        Fill(model);
        var x = Draw.Normal(batch, Inside, 7).to(dtype).requires_grad_();
        Tensor Penalty()
        {
            // As at the first pass of a run, so that the same entries are dropped.
            optimizer.Session.ResumeAt(0, optimizer);
            return autograd.grad([model.call(x).sin().sum()], [x], retain_graph: true, create_graph: true)[0].square().sum();
        }

        var trained = model.named_parameters().Where(pair => pair.parameter.requires_grad).ToArray();
        Penalty().backward();

        foreach (var (name, parameter) in trained)
        {
            var actual = parameter.grad is { } gradient ? gradient.reshape(-1)[0].ToDouble() : 0;
            var expected = Slope(Penalty, parameter, step);
            actual.Should().BeApproximately(expected, tolerance * Math.Max(1, Math.Abs(expected)), $"{name} of {method}");
        }
    }

    [Fact]
    public void What_has_no_second_derivative_is_refused_by_the_step_before_anything_is_changed()
    {
        using var scope = NewDisposeScope();
        using var model = nn.Sequential(("first", nn.Linear(16, 16)), ("second", nn.Linear(16, 16)));
        using var optimizer = new QGaLore { Rank = 2 }.Attach(model).CreateOptimizer(lr: 0.1);
        var x = randn(3, 16, requires_grad: true);
        var y = model.call(x);

        // No gradient comes back, which libtorch may call an error of its own.
        try
        {
            y.square().sum().backward(create_graph: true);
        }
        catch (System.Runtime.InteropServices.ExternalException) { }

        optimizer.Invoking(own => own.step()).Should().Throw<NotSupportedException>().WithMessage("*create_graph*QuantizesWeights = false*");
    }

    private static void Fill(nn.Module model)
    {
        using var guard = no_grad();
        ulong seed = 10;
        foreach (var (_, parameter) in model.named_parameters().Where(pair => pair.parameter.is_floating_point()))
            parameter.copy_(Draw.Normal([.. parameter.shape], seed++).mul_(0.4));
    }

    private static double Slope(Func<Tensor> penalty, Parameter parameter, double step)
    {
        double At(double change)
        {
            using var scope = NewDisposeScope();
            using (no_grad())
                parameter.view(-1)[0] += change;
            var value = penalty().ToDouble();
            using (no_grad())
                parameter.view(-1)[0] -= change;
            return value;
        }

        return (At(step) - At(-step)) / (2 * step);
    }
}
