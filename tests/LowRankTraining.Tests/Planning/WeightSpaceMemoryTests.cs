using FluentAssertions;
using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Adapters;
using TorchSharp;
using Xunit;

namespace LowRankTraining.Tests.Planning;

public class WeightSpaceMemoryTests
{
    /// <summary>The LLaMA configurations of the papers, 32,000 tokens, no biases, untied head; ranks of SLTrain's scripts.</summary>
    private static readonly Dictionary<string, (int Hidden, int Intermediate, int Layers, int Rank)> Models = new()
    {
        ["60m"] = (512, 1376, 8, 128),
        ["130m"] = (768, 2048, 12, 256),
        ["350m"] = (1024, 2736, 24, 256),
        ["1b"] = (2048, 5461, 24, 512),
    };

    /// <summary>Han et al., SLTrain, table 2: weights and moments in bfloat16, int64 indices, G = 10⁹ bytes.</summary>
    [Theory]
    [InlineData("60m", 0.348, 0.257, 0.267)]
    [InlineData("130m", 0.805, 0.564, 0.600)]
    [InlineData("350m", 2.208, 1.111, 1.238)]
    [InlineData("1b", 8.034, 3.656, 4.163)]
    public void Published_memory_of_whole_models_is_reproduced(string model, double dense, double lowRank, double sparse)
    {
        var rank = Models[model].Rank;

        Gigabytes(WeightSpaceMemory.Dense).Should().BeApproximately(dense, 0.0005);
        Gigabytes((rows, columns) => WeightSpaceMemory.Factorized(rows, columns, rank)).Should().BeApproximately(lowRank, 0.0005);
        Gigabytes((rows, columns) => WeightSpaceMemory.SparseLowRank(rows, columns, rank, 0.03)).Should().BeApproximately(sparse, 0.0005);

        double Gigabytes(Func<long, long, WeightSpaceMemory> linear) => Llama(model, linear).Bytes(NumberBytes.Papers) / 1e9;
    }

    [Theory]
    [InlineData("60m", 58.07, 42.8, 43.5)]
    [InlineData("130m", 134.11, 94.0, 96.5)]
    [InlineData("350m", 367.97, 185.2, 194.3)]
    [InlineData("1b", 1339.08, 609.3, 645.5)]
    public void Published_numbers_of_parameters_are_reproduced(string model, double dense, double lowRank, double sparse)
    {
        var rank = Models[model].Rank;

        (Llama(model, WeightSpaceMemory.Dense).Parameters / 1e6).Should().BeApproximately(dense, 0.005);
        (Llama(model, (rows, columns) => WeightSpaceMemory.Factorized(rows, columns, rank)).Parameters / 1e6).Should().BeApproximately(lowRank, 0.05);
        (Llama(model, (rows, columns) => WeightSpaceMemory.SparseLowRank(rows, columns, rank, 0.03)).Parameters / 1e6).Should().BeApproximately(sparse, 0.05);
    }

    [Fact]
    public void Methods_follow_their_lines_of_the_table()
    {
        const int M = 96, N = 64, R = 8, P = R * (M + N), Values = 614;
        var odd = new NumberBytes { Weight = 3, Frozen = NumberBytes.Nf4, Adapter = 5, Gradient = 7, Moment = 11, Index = 13 };

        WeightSpaceMemory.Dense(M, N).Bytes(odd).Should().Be(M * N * (3 + 7 + 2 * 11));
        WeightSpaceMemory.LowRank(M, N, R).Bytes(odd).Should().Be(M * N * 0.5625 + P * (5 + 7 + 2 * 11));
        WeightSpaceMemory.Dora(M, N, R).Bytes(odd).Should().Be(M * N * 0.5625 + (P + M) * (5 + 7 + 2 * 11));
        WeightSpaceMemory.SparseLowRank(M, N, R, 0.1).Bytes(odd).Should().Be((P + Values) * (5 + 7 + 2 * 11) + Values * 13);
        WeightSpaceMemory.SparseLowRank(M, N, R, 0.1, keepsIndices: false).Bytes(odd).Should().Be((P + Values) * (5 + 7 + 2 * 11));
        WeightSpaceMemory.Factorized(M, N, R).Bytes(odd).Should().Be(P * (5 + 7 + 2 * 11));
        WeightSpaceMemory.Factorized(M, N, 1000).Should().Be(WeightSpaceMemory.Factorized(M, N, N), "no rank is above the short side");
    }

    [Fact]
    public void Operations_follow_their_lines_of_the_table()
    {
        const double M = 96, N = 64, R = 8, T = 1000;

        WeightSpaceMemory.Dense(96, 64).Flops(1000).Should().Be(6 * T * M * N);
        WeightSpaceMemory.LowRank(96, 64, 8).Flops(1000).Should().Be(4 * T * M * N + 6 * T * R * (M + N));
        WeightSpaceMemory.Dora(96, 64, 8).Flops(1000).Should().Be(4 * T * M * N + 6 * T * R * (M + N) + 2 * M * N * R);
        WeightSpaceMemory.SparseLowRank(96, 64, 8, 0.1).Flops(1000).Should().Be(6 * T * M * N + 8 * M * N * R);
        WeightSpaceMemory.Factorized(96, 64, 8).Flops(1000).Should().Be(6 * T * R * (M + N));
        (WeightSpaceMemory.SparseLowRank(512, 512, 128, 0.03).Flops(65_536) / WeightSpaceMemory.Dense(512, 512).Flops(65_536) - 1).Should()
            .BeApproximately(0.0026, 0.0001);
    }

    /// <summary>Weights, gradients and moments that are there after a step.</summary>
    [Theory]
    [InlineData("lora")]
    [InlineData("relora")]
    [InlineData("sltrain")]
    [InlineData("adam")]
    public void Formula_is_what_a_session_holds(string method)
    {
        ILowRankStrategy strategy = method switch
        {
            "lora" => new LoRA { Rank = 4, Injection = Injection.Replace, TrainOthers = true },
            "relora" => new ReLoRA { Rank = 4, Injection = Injection.Replace },
            "sltrain" => new SLTrain { Rank = 4, Density = 0.1, Injection = Injection.Replace },
            _ => new Spam { WarmupAfterReset = 0 },
        };
        using var model = new OpenNetwork();
        using var optimizer = strategy.Attach(model, Targets.AllLinear().Except("lm_head")).CreateOptimizer();
        Training.Step(model, optimizer);
        var matrices = new[] { (16, 12), (16, 16) };

        var formula = WeightSpaceMemory.Sum([.. matrices.Select(shape => Line(shape.Item1, shape.Item2)), .. Others()]).Bytes(NumberBytes.Float32);

        var held = model.state_dict().Values.Sum(Bytes) + model.parameters().Sum(parameter => parameter.grad is { } gradient ? Bytes(gradient) : 0)
            + optimizer.StateBytes;
        held.Should().Be((long)formula);

        WeightSpaceMemory Line(int rows, int columns) => method switch
        {
            "sltrain" => WeightSpaceMemory.SparseLowRank(rows, columns, 4, 0.1),
            "adam" => WeightSpaceMemory.Dense(rows, columns),
            _ => WeightSpaceMemory.LowRank(rows, columns, 4),
        };

        static IEnumerable<WeightSpaceMemory> Others() => new[] { 16, 16, 16, 6 * 16, 6 }.Select(numbers => WeightSpaceMemory.Dense(numbers, 1));

        static long Bytes(torch.Tensor tensor) => tensor.NumberOfElements * tensor.ElementSize;
    }

    private static WeightSpaceMemory Llama(string model, Func<long, long, WeightSpaceMemory> linear)
    {
        var (hidden, intermediate, layers, _) = Models[model];
        WeightSpaceMemory[] layer =
        [
            .. Enumerable.Repeat(linear(hidden, hidden), 4), linear(intermediate, hidden), linear(intermediate, hidden), linear(hidden, intermediate),
                WeightSpaceMemory.Dense(2 * hidden, 1),
        ];
        return WeightSpaceMemory.Sum(
            [.. Enumerable.Repeat(layer, layers).SelectMany(each => each), WeightSpaceMemory.Dense(32_000, hidden), WeightSpaceMemory.Dense(32_000, hidden),
                WeightSpaceMemory.Dense(hidden, 1)]);
    }
}
