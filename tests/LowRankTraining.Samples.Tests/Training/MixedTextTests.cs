using System.Text;
using FluentAssertions;
using LanguageModel;
using LanguageModel.Data;
using LanguageModel.Methods;
using LanguageModel.Model;
using LanguageModel.Training;
using LowRankTraining.Mixing;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Samples.Tests.Training;

public sealed class MixedTextTests : IDisposable
{
    private static readonly LlamaConfig Tiny = LlamaConfigs.Find("tiny") with { Vocabulary = TextCorpus.Vocabulary };

    private static readonly (string Name, TextCorpus Text)[] Sources = RealAndShuffled(60_000);

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Mixture_moves_from_shuffled_to_real_text()
    {
        var report = Train("relora", Mixers.Alignment, steps: 260, Options(260) with { Batch = 8, Sequence = 64 }).Report;

        var (first, last) = (report.Mixtures[0].Sources, report.Mixtures[^1].Sources);
        first.Select(source => source.Source).Should().Equal("real", "shuffled");
        first.Should().OnlyContain(source => source.Probability == 0.5);
        last[0].Probability.Should().BeGreaterThan(0.8);
        last[0].Reward.Should().BeGreaterThan(last[1].Reward!.Value);
        last.Sum(source => source.Batches).Should().Be(260);
    }

    [Fact]
    public void Uniform_mixture_stays()
    {
        var report = Train("lora", Mixers.Uniform, steps: 12).Report;

        report.Mixtures.Should().OnlyContain(point => point.Sources.All(source => source.Probability == 0.5 && source.Reward == null));
    }

    [Theory]
    [InlineData("relora", 70, 66)]
    [InlineData("galore", 122, 107)]
    [InlineData("adamw", 122, 114)]
    public void Interrupted_and_resumed_run_ends_with_the_same_bits(string method, int steps, int stopAfter)
    {
        var straight = Train(method, Mixers.Alignment, steps);

        Train(method, Mixers.Alignment, steps, stopAfter: stopAfter);
        Directory.GetFiles(folder.Path, "mixer-*").Should().ContainSingle().Which.Should().EndWith($"mixer-{stopAfter}.dat");
        var resumed = Train(method, Mixers.Alignment, steps, resume: true);

        resumed.Weights.Should().Equal(straight.Weights);
        resumed.Report.Mixtures[^1].Sources.Should().Equal(straight.Report.Mixtures[^1].Sources);
    }

    [Fact]
    public void Loss_of_all_sources_is_the_mean_over_their_tokens()
    {
        var report = Train("adamw", Mixers.Uniform, steps: 3).Report;

        report.ValidationLoss.Should().BeApproximately(report.Mixtures[^1].Sources.Average(source => source.ValidationLoss), 1e-9);
    }

    [Fact]
    public void Source_that_is_too_short_is_named()
    {
        using var mixer = new FixedMixer(["real", "short"]);
        var make = () => new MixedText([Sources[0], ("short", TextCorpus.Split("test", ["a", "b"]))], mixer, Options(steps: 1));

        make.Should().Throw<UserException>().WithMessage("Source 'short': *too few*");
    }

    [Fact]
    public void Mixer_of_other_sources_is_refused()
    {
        using (var saved = new FixedMixer(["real", "other"]))
            new MixedText([Sources[0], ("other", Sources[1].Text)], saved, Options(steps: 1)).Save(folder.Path, 1, () => { });
        using var mixer = new FixedMixer(["real", "shuffled"]);
        var data = new MixedText(Sources, mixer, Options(steps: 1));

        data.Invoking(it => it.Load(folder.Path, 1)).Should().Throw<UserException>().WithMessage("*of another mixer*");
        data.Invoking(it => it.Load(folder.Path, 2)).Should().Throw<UserException>().WithMessage("*no saved mixer*");
    }

    private (TrainingReport Report, float[] Weights) Train(string name, string mix, long steps, TrainingOptions? given = null, bool resume = false,
        long? stopAfter = null)
    {
        using var model = Llama.Create(Tiny, seed: 1, CPU, ScalarType.Float32);
        using var method = AllMethods.Find(name).AttachTo(model, new MethodSettings
        {
            Steps = steps, LearningRate = 0.002, Warmup = Math.Min(20, steps / 4), Rank = 16, RefreshEvery = 4, MergeEvery = 65,
        });
        using var mixer = Mixers.Create(mix, [.. Sources.Select(source => source.Name)], target: null, model, method, seed: 1);
        var options = given ?? Options(steps);
        var data = new MixedText(Sources, mixer, options);
        using var stop = new CancellationTokenSource();
        var trainer = new Trainer(model, method, data, options)
        {
            Stepped = step =>
            {
                if (step.Step == stopAfter)
                    stop.Cancel();
            },
            Save = step => data.Save(folder.Path, step, () => method.Save(folder.Path)),
        };

        var completed = resume ? method.Load(folder.Path) : 0;
        if (resume)
            data.Load(folder.Path, completed);
        var report = trainer.Run(completed, stop.Token);
        return (report, [.. model.parameters().SelectMany(parameter => parameter.data<float>().ToArray())]);
    }

    private static TrainingOptions Options(long steps) =>
        new() { Steps = steps, Batch = 2, Sequence = 32, Device = CPU, EvaluateEvery = 60, EvaluationTokens = 512 };

    /// <summary>English as it is written, and with its characters in random order.</summary>
    private static (string Name, TextCorpus Text)[] RealAndShuffled(int length)
    {
        var text = new StringBuilder();
        foreach (var document in ApiDocumentation.Documents(ApiDocumentation.Find().Files.Where(file => Path.GetFileName(file) == "System.Collections.xml")))
            text.Append(document).Append('\n');
        var real = text.ToString(0, Math.Min(length, text.Length));
        return [("real", Corpus(real)), ("shuffled", Corpus(Shuffled.Characters(real, seed: 1)))];

        static TextCorpus Corpus(string text) => TextCorpus.Split("test", text.Chunk(2000).Select(part => new string(part)));
    }
}
