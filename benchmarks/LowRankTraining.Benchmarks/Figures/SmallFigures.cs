using LanguageModel.Data;
using LanguageModel.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Benchmarks.Figures;

/// <summary>Steps on all parameters of a small model, where products are cheap and every call counts, against full-rank AdamW.</summary>
internal static class SmallFigures
{
    private const string Model = "9m";
    private const long Seed = 42;
    private const int Rank = 32;

    private static readonly (string Method, double AtMost)[] Limits = [("GaLore", 1.0), ("Fira", 1.3)];

    public static IEnumerable<Figure> Measure()
    {
        using var model = WithGradients();
        var parameters = model.named_parameters().ToArray();
        var optimizers = Limits.Select(limit => limit.Method).ToDictionary(
            method => method, optim.Optimizer (method) => Methods.Attach(method, parameters, Rank, Refreshing.Never).CreateOptimizer(lr: 1e-2));
        optimizers.Add(Methods.AdamW, optim.AdamW(parameters, lr: 1e-3));

        var rounds = Rounds.Run(count: 400, warmUps: 50, round =>
        {
            foreach (var (method, optimizer) in optimizers)
                round.Time(method, () => optimizer.step());
        });

        foreach (var optimizer in optimizers.Values)
            optimizer.Dispose();

        yield return new($"step of {Methods.AdamW}, all of {Model}", rounds.Median(Methods.AdamW), "ms");
        foreach (var (method, atMost) in Limits)
        {
            var ratio = rounds.Ratio(method, Methods.AdamW);
            yield return new($"step of {method}, rank {Rank} / of {Methods.AdamW}, all of {Model}", ratio, "times", Goal.AtMost(atMost));
        }
    }

    private static Llama WithGradients()
    {
        var model = Llama.Create(LlamaConfigs.Find(Model) with { Vocabulary = TextCorpus.Vocabulary }, Seed, CPU, ScalarType.Float32);
        using var scope = NewDisposeScope();
        using var generator = new Generator(Seed, CPU);
        var tokens = randint(TextCorpus.Vocabulary, [4, 257], ScalarType.Int64, generator: generator);
        model.Loss(tokens[.., ..^1], tokens[.., 1..].contiguous()).backward();
        return model;
    }
}
