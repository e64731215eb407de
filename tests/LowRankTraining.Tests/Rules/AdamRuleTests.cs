using FluentAssertions;
using LowRankTraining.Parts;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Rules;

public class AdamRuleTests
{
    /// <summary>Against the published form, computed here in double precision: m̂ / (√v̂ + ε).</summary>
    [Fact]
    public void Updates_follow_the_paper()
    {
        using var scope = NewDisposeScope();
        var rule = new AdamRule { Beta1 = 0.8, Beta2 = 0.95, Epsilon = 1e-3 };
        using var state = new StateBag();
        var weight = zeros(3, ScalarType.Float64);
        double[] m = new double[3], v = new double[3], w = new double[3];

        for (var t = 1; t <= 20; t++)
        {
            var gradient = Enumerable.Range(0, 3).Select(i => Math.Sin(t * (i + 1)) + 0.1 * i).ToArray();
            rule.AddUpdate(tensor(gradient), weight, -0.05, state, new StepContext { Step = t });

            for (var i = 0; i < 3; i++)
            {
                m[i] = 0.8 * m[i] + 0.2 * gradient[i];
                v[i] = 0.95 * v[i] + 0.05 * gradient[i] * gradient[i];
                w[i] -= 0.05 * (m[i] / (1 - Math.Pow(0.8, t))) / (Math.Sqrt(v[i] / (1 - Math.Pow(0.95, t))) + 1e-3);
            }
        }

        weight.data<double>().ToArray().Zip(w).Should().OnlyContain(pair => Math.Abs(pair.First - pair.Second) < 1e-12);
    }

    [Fact]
    public void Full_rank_optimizer_equals_the_AdamW_of_TorchSharp()
    {
        using var scope = NewDisposeScope();
        using var ours = new Parameter(linspace(-1, 1, 12).reshape(3, 4));
        using var theirs = new Parameter(ours.detach().clone());
        using var other = new Parameter(zeros(2, 2));
        using var optimizer = new LowRankTraining.Strategies.GaLore { Rank = 1 }
            .Attach([("plain", ours), ("other", other)], Targets.Matching("other")).CreateOptimizer(lr: 0.01, weight_decay: 0.1);
        using var reference = optim.AdamW([theirs], lr: 0.01, weight_decay: 0.1);

        for (var t = 1; t <= 30; t++)
        {
            ours.grad = (linspace(1, 2, 12).reshape(3, 4) * t).sin();
            theirs.grad = ours.grad!.clone();
            optimizer.step();
            reference.step();
        }

        ours.allclose(theirs, 1e-5, 1e-7).Should().BeTrue();
    }
}
