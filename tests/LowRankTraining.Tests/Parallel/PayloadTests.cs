using FluentAssertions;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Parallel;

/// <summary>Bytes of a step are those of the table in docs/distributed.md.</summary>
public class PayloadTests
{
    /// <summary>One matrix of 80 × 48, at rank 4: l = 80 and s = 48; p is 8, and q is 1.</summary>
    private const int L = 80, S = 48, R = 4, RefreshEvery = 2;

    private static readonly int[]
        Whole = [S * L],
        Projected = [R * L],
        Warm = [R * L, R * S, R * L],
        Sketched = [(R + 8) * S, (R + 8) * L, (R + 8) * S, (R + 8) * L, R * L],
        Factors = [R * (L + S)];

    /// <summary>Of each of three steps, how many numbers each sum has.</summary>
    private static readonly Dictionary<string, (ILowRankStrategy Method, int[][] Sums)> Rows = new()
    {
        ["GaLore"] = (new GaLore { Rank = R, RefreshEvery = RefreshEvery }, [Sketched, Projected, Warm]),
        ["GaLore of a high rank"] = (new GaLore { Rank = S / 2, RefreshEvery = RefreshEvery }, [Whole, [S / 2 * L], Whole]),
        ["GaLore in a drawn subspace"] =
            (new GaLore { Rank = R, RefreshEvery = RefreshEvery, Basis = new RandomOrthonormalBasis() }, [Projected, Projected, Projected]),
        ["GaLore that finds subspaces ahead"] =
            (new GaLore { Rank = R, RefreshEvery = RefreshEvery, Basis = new WarmStartedBasis { Ahead = true } }, [Sketched, [R * L, R * S], Projected]),
        ["Q-GaLore"] = (new QGaLore { Rank = R, RefreshEvery = RefreshEvery, QuantizesWeights = false }, [Sketched, Projected, Sketched]),
        ["GaLore 2"] = (new GaLore2 { Rank = R, RefreshEvery = RefreshEvery }, [Sketched, Projected, Sketched]),
        ["Online Subspace Descent"] = (new OnlineSubspaceDescent { Rank = R }, [Sketched, Whole, Whole]),
        ["LDAdam"] = (new LDAdam { Rank = R }, [Whole, Whole, Whole]),
        ["Fira"] = (new Fira { Rank = R, RefreshEvery = RefreshEvery }, [Whole, Whole, Whole]),
        ["APOLLO"] = (new Apollo { Rank = R, RefreshEvery = RefreshEvery }, [Whole, Whole, Whole]),
        ["LoRA"] = (new LoRA { Rank = R }, [Factors, Factors]),
        ["ReLoRA"] = (new ReLoRA { Rank = R }, [Factors, Factors]),
        ["DoRA"] = (new DoRA { Rank = R }, [[R * (L + S) + L], [R * (L + S) + L]]),
        ["CoLA"] = (new CoLA { Rank = R }, [Factors, Factors]),
        ["SLTrain"] = (new SLTrain { Rank = R, Density = 0.25 }, [[R * (L + S) + L * S / 4], [R * (L + S) + L * S / 4]]),
    };

    public static TheoryData<string, int> All
    {
        get
        {
            var data = new TheoryData<string, int>();
            foreach (var method in Rows.Keys)
                foreach (var size in new[] { 2, 4 })
                    data.Add(method, size);
            return data;
        }
    }

    [Theory, MemberData(nameof(All))]
    public void Step_sends_what_its_row_says(string name, int size)
    {
        var (method, sums) = Rows[name];
        var models = Enumerable.Range(0, size).Select(_ => Model()).ToArray();
        InProcessWorld.Run(size, world =>
        {
            var model = models[world.Rank];
            using var optimizer = method.Attach(model).CreateOptimizer(lr: 0.01, world);
            optimizer.CompareEvery = 0;
            var parameters = optimizer.Session.Parameters.Count;
            foreach (var (numbers, step) in sums.Select((numbers, step) => (numbers, step)))
            {
                using var scope = NewDisposeScope();
                var before = optimizer.BytesSent;
                using var generator = new Generator((ulong)(10 * step + world.Rank), CPU);
                model.call(randn(8, S, generator: generator)).square().mean().backward();
                optimizer.step();
                optimizer.zero_grad();

                // A message of 41 bytes and one for each parameter goes to every other process; then the sums, twice all but one of their parts.
                var agreement = (size - 1) * (41 + parameters);
                (optimizer.BytesSent - before - agreement).Should().Be(
                    numbers.Sum(count => 2 * (size - 1) * TreeSum.PaddedLength(count, size) / size * sizeof(float)), $"step {step}");
            }
        });
    }

    private static Sequential Model()
    {
        manual_seed(1);
        return nn.Sequential(("layer", nn.Linear(S, L, hasBias: false)));
    }
}
