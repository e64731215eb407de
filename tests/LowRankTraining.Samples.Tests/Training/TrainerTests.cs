using FluentAssertions;
using LanguageModel;
using LanguageModel.Data;
using LanguageModel.Methods;
using LanguageModel.Model;
using LanguageModel.Training;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Samples.Tests.Training;

public sealed class TrainerTests : IDisposable
{
    private const int Steps = 12;

    private static readonly LlamaConfig Tiny = LlamaConfigs.Find("tiny") with { Vocabulary = TextCorpus.Vocabulary };

    private static readonly TextCorpus Corpus =
        TextCorpus.Split("test", Enumerable.Range(0, 300).Select(number => $"The square of {number} is {number * number}."));

    private readonly TemporaryFolder folder = new();

    public static TheoryData<string> Methods => [.. AllMethods.List.Select(method => method.Name)];

    public void Dispose() => folder.Dispose();

    [Theory]
    [MemberData(nameof(Methods))]
    public void Interrupted_and_resumed_run_ends_with_the_same_bits(string name)
    {
        var straight = Train(name, resume: false, stopAfter: null);

        Train(name, resume: false, stopAfter: 5);
        var resumed = Train(name, resume: true, stopAfter: null);

        resumed.Weights.Should().Equal(straight.Weights);
        resumed.Report.ValidationLoss.Should().Be(straight.Report.ValidationLoss);
    }

    [Fact]
    public void Training_learns_the_text()
    {
        var report = Train("adamw", resume: false, stopAfter: null).Report;

        report.Training[0].Loss.Should().BeApproximately(Math.Log(256), 0.2);
        report.ValidationLoss.Should().BeLessThan(5);
        report.Perplexity.Should().BeApproximately(Math.Exp(report.ValidationLoss!.Value), 1e-9);
    }

    [Fact]
    public void AdamW_keeps_two_numbers_for_each_parameter() =>
        Train("adamw", resume: false, stopAfter: null).Report.OptimizerStateBytes.Should().Be(2 * 4 * Tiny.Parameters);

    [Fact]
    public void Loss_of_the_validation_set_is_the_mean_over_its_tokens()
    {
        using var scope = NewDisposeScope();
        using var model = new Llama(Tiny, seed: 1);

        var uneven = Evaluation.Loss(model, ValidationSet.Batches(Corpus.Training, rows: 3, length: 16, tokens: 64), CPU);
        var single = ValidationSet.Batches(Corpus.Training, rows: 1, length: 16, tokens: 64).Select(batch => Evaluation.Loss(model, [batch], CPU)).ToList();

        single.Should().HaveCount(4);
        uneven.Should().BeApproximately(single.Average(), 1e-5, "batches of 3 and 1 must not weigh the same");
    }

    private (TrainingReport Report, float[] Weights) Train(string name, bool resume, long? stopAfter)
    {
        using var model = Llama.Create(Tiny, seed: 1, CPU, ScalarType.Float32);
        using var method = AllMethods.Find(name).AttachTo(model, new MethodSettings
        {
            Steps = Steps, LearningRate = 0.01, Warmup = 2, Rank = 8, RefreshEvery = 4, MergeEvery = 4, WarmStart = 2,
        });
        using var stop = new CancellationTokenSource();
        var trainer = new Trainer(model, method, Corpus, new TrainingOptions { Steps = Steps, Batch = 2, Sequence = 16, Device = CPU })
        {
            Stepped = step =>
            {
                if (step.Step == stopAfter)
                    stop.Cancel();
            },
            Save = _ => method.Save(folder.Path),
        };

        var report = trainer.Run(resume ? method.Load(folder.Path) : 0, stop.Token);
        return (report, [.. model.parameters().SelectMany(parameter => parameter.data<float>().ToArray())]);
    }
}
