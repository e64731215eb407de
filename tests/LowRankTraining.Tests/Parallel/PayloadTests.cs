using FluentAssertions;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Parallel;

/// <summary>Bytes of a step are those of the table in docs/distributed.md.</summary>
public class PayloadTests
{
    /// <summary>One matrix, m × n with m the longer side.</summary>
    private const int M = 24, N = 16, R = 4, RefreshEvery = 3;

    private static readonly Dictionary<string, (ILowRankStrategy Method, int[] Numbers)> Rows = new()
    {
        ["GaLore"] = (new GaLore { Rank = R, RefreshEvery = RefreshEvery }, [M * N, R * M, R * M, M * N]),
        ["Q-GaLore"] = (new QGaLore { Rank = R, RefreshEvery = RefreshEvery, QuantizesWeights = false }, [M * N, R * M, R * M, M * N]),
        ["GaLore 2"] = (new GaLore2 { Rank = R, RefreshEvery = RefreshEvery }, [M * N, R * M, R * M, M * N]),
        ["Online Subspace Descent"] = (new OnlineSubspaceDescent { Rank = R }, [M * N, M * N]),
        ["LDAdam"] = (new LDAdam { Rank = R }, [M * N, M * N]),
        ["Fira"] = (new Fira { Rank = R, RefreshEvery = RefreshEvery }, [M * N, M * N]),
        ["APOLLO"] = (new Apollo { Rank = R, RefreshEvery = RefreshEvery }, [M * N, M * N]),
        ["LoRA"] = (new LoRA { Rank = R }, [R * (M + N), R * (M + N)]),
        ["ReLoRA"] = (new ReLoRA { Rank = R }, [R * (M + N), R * (M + N)]),
        ["DoRA"] = (new DoRA { Rank = R }, [R * (M + N) + M, R * (M + N) + M]),
        ["CoLA"] = (new CoLA { Rank = R }, [R * (M + N), R * (M + N)]),
        ["SLTrain"] = (new SLTrain { Rank = R, Density = 0.25 }, [R * (M + N) + M * N / 4, R * (M + N) + M * N / 4]),
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
        var (method, numbers) = Rows[name];
        var models = Enumerable.Range(0, size).Select(_ => Model()).ToArray();
        InProcessWorld.Run(size, world =>
        {
            var model = models[world.Rank];
            using var optimizer = method.Attach(model).CreateOptimizer(lr: 0.01, world);
            optimizer.CompareEvery = 0;
            var parameters = optimizer.Session.Parameters.Count;
            foreach (var (count, step) in numbers.Select((count, step) => (count, step)))
            {
                using var scope = NewDisposeScope();
                var before = optimizer.BytesSent;
                using var generator = new Generator((ulong)(10 * step + world.Rank), CPU);
                model.call(randn(8, N, generator: generator)).square().mean().backward();
                optimizer.step();
                optimizer.zero_grad();

                // A message of 25 bytes and one for each parameter goes to every other process; then the sum, twice all but one of its parts.
                var agreement = (size - 1) * (25 + parameters);
                (optimizer.BytesSent - before - agreement).Should().Be(2 * (size - 1) * TreeSum.PaddedLength(count, size) / size * sizeof(float), $"step {step}");
            }
        });
    }

    private static Sequential Model()
    {
        manual_seed(1);
        return nn.Sequential(("layer", nn.Linear(N, M, hasBias: false)));
    }
}
