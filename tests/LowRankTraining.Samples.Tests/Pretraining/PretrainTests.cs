using FluentAssertions;
using LanguageModel.CommandLine;
using LowRankTraining.Mpi;
using Pretrain;
using Xunit;

namespace LowRankTraining.Samples.Tests.Pretraining;

public sealed class PretrainTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly string run;

    public PretrainTests() => run = Path.Combine(folder.Path, "run");

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("bytes")]
    [InlineData("gpt2")]
    public void Run_from_a_file_is_validated_and_writes_on(string tokenizer)
    {
        var text = Text();
        var config = folder.Write("run.json", $$"""
            { "strategy": "fira", "model": "tiny", "rank": 4, "steps": 3, "batch": 2, "seq": 32, "weight_decay": 0.1, "tokenizer": "{{tokenizer}}",
              "data": ["{{text}}"], "device": "cpu", "out": "{{run}}" }
            """);

        Execute("--config", config).Should().Be(0);
        Execute("--out", run, "--eval-only").Should().Be(0);
        Execute("--out", run, "--generate", "The square of 7").Should().Be(0);
        File.ReadAllText(Path.Combine(run, "settings.json")).Should().Contain("\"weight_decay\": 0.1").And.Contain($"\"tokenizer\": \"{tokenizer}\"");
    }

    [Fact]
    public void Run_that_saves_memory_in_every_way_is_resumed()
    {
        string[] arguments =
        [
            "--strategy", "galore", "--model", "tiny", "--rank", "4", "--steps", "3", "--batch", "2", "--seq", "32", "--device", "cpu", "--data", Text(),
            "--out", run,
            "--dtype", "bfloat16", "--keep-remainders", "--checkpoint-activations", "--gradients", "stepped",
        ];

        Execute(arguments).Should().Be(0);
        Execute("--out", run, "--resume").Should().Be(0);
        File.ReadAllText(Path.Combine(run, "settings.json")).Should().Contain("\"keep_remainders\": true").And.Contain("\"checkpoint_activations\": true");
    }

    [Theory]
    [InlineData("galore", "--merge-every", "5", 1)]
    [InlineData("galore", "--base", "nf4", 1)]
    [InlineData("galore", "--refresh-every", "2", 0)]
    [InlineData("muon", "--scale", "2", 1)]
    [InlineData("relora", "--refresh-every", "2", 1)]
    [InlineData("relora", "--base", "nf4", 0)]
    [InlineData("adarankgrad", "--refresh-every", "2", 1)]
    [InlineData("adamw", "--warm-start", "2", 1)]
    public void Option_without_effect_is_refused(string strategy, string option, string value, int expected) =>
        Execute("--strategy", strategy, option, value, "--model", "tiny", "--rank", "4", "--steps", "2", "--batch", "2", "--seq", "32", "--device", "cpu",
            "--data", Text(), "--out", run).Should().Be(expected);

    [Fact]
    public void Model_that_has_come_apart_is_an_error_and_is_not_saved()
    {
        string[] arguments =
            ["--strategy", "adamw", "--model", "tiny", "--steps", "3", "--batch", "2", "--seq", "32", "--lr", "1e30", "--warmup", "0", "--device", "cpu"];

        Execute([.. arguments, "--data", Text(), "--out", run]).Should().Be(1);

        Directory.GetFiles(run, "model*").Should().BeEmpty();
    }

    [Theory]
    [InlineData("galore", "float32")]
    [InlineData("adamw", "bfloat16")]
    [InlineData("lora", "bfloat16")]
    public void Remainders_that_there_are_not_are_refused(string strategy, string dtype) =>
        Execute("--strategy", strategy, "--dtype", dtype, "--keep-remainders", "--model", "tiny", "--device", "cpu", "--data", Text(), "--out", run)
            .Should().Be(SampleCommand.Failed);

    [Theory]
    [InlineData("--eval-only")]
    [InlineData("--threads", "0")]
    [InlineData("--weight-decay", "-1")]
    [InlineData("--tokenizer", "words")]
    [InlineData("--config", "none.json")]
    [InlineData("--gradients", "stepped", "--grad-accum", "2")]
    public void What_cannot_be_done_ends_with_an_error(params string[] arguments) => Execute(arguments).Should().Be(SampleCommand.Failed);

    private string Text() =>
        folder.Write("text.txt", string.Concat(Enumerable.Range(0, 3000).Select(number => $"The square of {number} is {number * number}.\n")));

    private static int Execute(params string[] arguments)
    {
        var world = MpiWorld.Join(ref arguments);
        return SampleCommand.Run(PretrainCommand.Create(world), arguments);
    }
}
