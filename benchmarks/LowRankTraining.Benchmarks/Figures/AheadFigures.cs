using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Benchmarks.Figures;

/// <summary>Energy of later gradients inside a subspace that was found a step ahead, from a sketch of the gradient before, against one found from the first
/// gradient that it is used for; both from the same old subspace. On gradients of a real training run.</summary>
internal static class AheadFigures
{
    private const string Model = "9m";
    private const int Rank = 32, Old = 20, Later = 20;
    private static readonly long[] Refreshes = [60, 100];

    public static IEnumerable<Figure> Measure()
    {
        using var gradients = RecordedGradients.Of(Model, [.. Refreshes.SelectMany(step => new[] { step - Old, step - 1, step, step + Later })]);
        foreach (var (when, seenAt) in new[] { ("the gradient it is first used for", 0), ($"the gradient {Later} steps later", Later) })
        {
            var shares = Refreshes.SelectMany(step => Enumerable.Range(0, gradients[step].Count).Select(matrix =>
            {
                var (old, before, first, later) =
                    (gradients[step - Old][matrix], gradients[step - 1][matrix], gradients[step][matrix], gradients[step + seenAt][matrix]);
                return (Ahead: Share(later, [old, before], new WarmStartedBasis { Ahead = true }),
                    Behind: Share(later, [old, before, first], new WarmStartedBasis()));
            })).ToArray();

            yield return new($"captured energy of {when}, subspace found a step ahead, mean of {shares.Length}", shares.Average(share => share.Ahead),
                "of the best");
            yield return new($"captured energy of {when}, subspace found when it is due, mean of {shares.Length}", shares.Average(share => share.Behind),
                "of the best");
        }
    }

    /// <summary>‖PᵀG‖² over the sum of the largest r squared singular values of G, for the subspace after updates by these gradients.</summary>
    private static double Share(Tensor gradient, IReadOnlyList<Tensor> updates, IBasis how)
    {
        using var scope = NewDisposeScope();
        var weight = new Parameter(zeros(gradient.shape));
        using var optimizer = new GaLore { Rank = Rank, Basis = how, RefreshEvery = 2 }.Attach([("weight", weight)], Targets.AllMatrices()).CreateOptimizer();
        foreach (var seen in updates)
        {
            weight.grad = seen.clone();
            optimizer.step();
        }

        var basis = optimizer.StateOf(weight)["basis"].to(ScalarType.Float64);
        var exact = gradient.to(ScalarType.Float64);
        var inside = (exact.shape[0] < exact.shape[1] ? basis.t().mm(exact) : exact.mm(basis)).square().sum();
        return (inside / linalg.svdvals(exact).narrow(0, 0, basis.shape[1]).square().sum()).ToDouble();
    }
}
