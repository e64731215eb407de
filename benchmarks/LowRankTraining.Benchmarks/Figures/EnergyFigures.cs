using LowRankTraining.Parts;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Benchmarks.Figures;

/// <summary>Energy of a gradient inside the subspace found for it, relative to the energy inside the best subspace of that rank. On gradients of a real
/// training run.</summary>
internal static class EnergyFigures
{
    private const string Model = "9m";
    private const int Rank = 32;
    private static readonly long[] Recorded = [100, 120, 300, 320];

    /// <summary>Steps between the gradient that the old basis is from and the gradient that it is renewed for; 0 for a basis that starts from
    /// nothing.</summary>
    private static readonly (string Basis, int Age)[] Cases = [("randomized SVD", 0), ("warm-started", 20), ("warm-started", 200)];

    public static IEnumerable<Figure> Measure()
    {
        using var gradients = RecordedGradients.Of(Model, Recorded);
        foreach (var (name, age) in Cases)
        {
            var shares = Recorded.Where(step => age == 0 || Recorded.Contains(step - age))
                .SelectMany(step => gradients[step].Zip(gradients[age == 0 ? step : step - age]))
                .Select(pair => Share(pair.First, age == 0 ? null : pair.Second, Methods.Basis(name)))
                .ToArray();

            var found = age == 0 ? name : $"{name}, from a basis {age} steps old";
            yield return new($"captured energy, mean of {shares.Length}: {found}", shares.Average(), "of the best", Goal.AtLeast(0.995));
            yield return new($"captured energy, worst of {shares.Length}: {found}", shares.Min(), "of the best", Goal.AtLeast(0.98));
        }
    }

    /// <summary>‖PᵀG‖² over the sum of the largest r squared singular values of G.</summary>
    private static double Share(Tensor gradient, Tensor? earlier, IBasis how)
    {
        using var scope = NewDisposeScope();
        var weight = new Parameter(zeros(gradient.shape));
        using var optimizer = Methods.Attach("GaLore", [("weight", weight)], Rank, new Refreshing(Every: 1, how)).CreateOptimizer();
        foreach (var seen in new[] { earlier, gradient }.OfType<Tensor>())
        {
            weight.grad = seen.clone();
            optimizer.step();
        }

        var basis = optimizer.StateOf(weight)["basis"].to(ScalarType.Float64);
        var exact = gradient.to(ScalarType.Float64);
        var inside = (exact.shape[0] == basis.shape[0] && exact.shape[0] < exact.shape[1] ? basis.t().mm(exact) : exact.mm(basis)).square().sum();
        var best = linalg.svdvals(exact).narrow(0, 0, basis.shape[1]).square().sum();
        return (inside / best).ToDouble();
    }
}
