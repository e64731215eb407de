using System.Text.Json.Nodes;
using FineTune.HuggingFace;
using FineTune.Training;
using FluentAssertions;
using LanguageModel;
using LanguageModel.Training;
using LowRankTraining.Checkpoints;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Samples.Tests.FineTuning;

public sealed class FineTuneRunTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    private string Out => Path.Combine(folder.Path, "out");

    [Theory]
    [InlineData("lora", true)]
    [InlineData("dora", false)]
    public void Adapter_and_merged_model_of_one_run_compute_the_same(string method, bool isLlama)
    {
        var source = Source(isLlama);

        var report = Run(Settings(source, method), "both");

        report.Training[^1].Loss.Should().BeLessThan(0.7 * report.Training[0].Loss);
        var before = Logits(source);
        var adapted = Logits(source, Path.Combine(Out, "adapter"));
        adapted.Should().NotEqual(before);
        LargestDifference(Logits(Path.Combine(Out, "merged")), adapted).Should().BeLessThan(1e-4f);
    }

    /// <summary>GPT-2's head is its embedding: nothing of that name is there to be left out.</summary>
    [Theory]
    [InlineData("lora", true)]
    [InlineData("lora", false)]
    [InlineData("fira", false)]
    public void Layers_are_the_methods_own_choice_in_either_family(string method, bool isLlama)
    {
        var source = Source(isLlama);
        using var pretrained = PretrainedModel.Load(source, ScalarType.Float32, CPU);
        using var attached = FineTuneMethod.Attach(pretrained.Model, FineTuneMethod.Of(Settings(source, method)), Settings(source, method), steps: 1);

        attached.Session!.Describe().Should().NotContain("without effect").And.NotContain("lm_head");
    }

    [Fact]
    public void Adapter_says_what_it_belongs_to_and_what_for()
    {
        var source = Source(isLlama: false);
        Run(Settings(source, "lora") with { Steps = 1 }, "adapter");

        var config = JsonNode.Parse(File.ReadAllText(Path.Combine(Out, "adapter", "adapter_config.json")))!;
        config["base_model_name_or_path"]!.GetValue<string>().Should().Be(source);
        config["task_type"]!.GetValue<string>().Should().Be("CAUSAL_LM");
        config["fan_in_fan_out"]!.GetValue<bool>().Should().BeTrue("GPT-2 keeps its matrices as in × out");
        using var tensors = SafeTensorsFile.Open(Path.Combine(Out, "adapter", "adapter_model.safetensors"));
        tensors.ShapeOf("base_model.model.transformer.h.0.attn.c_attn.lora_A.weight").Should().Equal(4, 32);
        tensors.ShapeOf("base_model.model.transformer.h.0.attn.c_attn.lora_B.weight").Should().Equal(96, 4);
        Directory.Exists(Path.Combine(Out, "merged")).Should().BeFalse();
    }

    [Fact]
    public void Model_that_has_come_apart_is_not_exported()
    {
        FluentActions.Invoking(() => Run(Settings(Source(isLlama: false), "lora") with { Lr = 1e12, Steps = 4 }, "adapter"))
            .Should().Throw<UserException>().WithMessage("The evaluation loss is NaN after step 4*smaller --lr.");

        Directory.Exists(Path.Combine(Out, "adapter")).Should().BeFalse();
    }

    /// <summary>They are written once, when the run begins: a full disk at a later start could cost them.</summary>
    [Fact]
    public void Settings_come_back_as_they_were_or_are_refused_by_name()
    {
        var path = Path.Combine(Out, "settings.json");
        var settings = Settings("model", "lora");
        RunSettings.Write(path, settings);
        var sound = File.ReadAllText(path);

        RunSettings.Read<FineTuneSettings>(path).Should().BeEquivalentTo(settings);
        foreach (var damaged in new[] { "", "null", "{", sound.Replace("\"lora\"", "\"dora\"", StringComparison.Ordinal), sound[..^9] })
        {
            File.WriteAllText(path, damaged);
            FluentActions.Invoking(() => RunSettings.Read<FineTuneSettings>(path)).Should().Throw<UserException>().WithMessage($"{path} cannot be read*");
        }
    }

    [Theory]
    [InlineData("galore")]
    [InlineData("fira")]
    [InlineData("spam")]
    [InlineData("adamw")]
    [InlineData("relora")]
    public void Methods_that_change_the_weights_end_with_a_model(string method)
    {
        var source = Source(isLlama: true);

        var report = Run(Settings(source, method), "auto");

        report.Training[^1].Loss.Should().BeLessThan(report.Training[0].Loss);
        Logits(Path.Combine(Out, "merged")).Should().NotEqual(Logits(source));
        FluentActions.Invoking(() => Run(Settings(source, method), "adapter")).Should().Throw<UserException>()
            .WithMessage("Only lora and dora end with an adapter*");
    }

    [Fact]
    public void Resumed_run_is_the_uninterrupted_one()
    {
        var settings = Settings(Source(isLlama: true), "galore") with { Steps = 6 };
        Run(settings, "merged");
        var whole = Logits(Path.Combine(Out, "merged"));
        Directory.Delete(Out, recursive: true);

        using var interruption = new CancellationTokenSource();
        var stopped = new FineTuneRun(settings, Out, resume: false, CPU, TextWriter.Null) { Stepped = step => { if (step == 2) interruption.Cancel(); } }
            .Execute(Exports.Find("merged"), interruption.Token);
        (stopped.Steps, stopped.Completed).Should().Be((2, false));

        var resumed = new FineTuneRun(settings, Out, resume: true, CPU, TextWriter.Null).Execute(Exports.Find("merged"), default);
        resumed.Completed.Should().BeTrue();
        Logits(Path.Combine(Out, "merged")).Should().Equal(whole);
    }

    /// <summary>The rank of the command line is not the rank of a method that is given in full.</summary>
    [Fact]
    public void Method_in_full_is_told_as_it_is()
    {
        var settings = Settings(Source(isLlama: true), """{"Method":"lora","Rank":2}""") with { Steps = 1 };
        using var output = new StringWriter();

        new FineTuneRun(settings, Out, resume: false, CPU, output).Execute(Exports.Find("auto"), default);

        output.ToString().Should().Contain(settings.Method).And.NotContain("rank 4");
    }

    [Theory]
    [InlineData("gallore", "--method: *'gallore'*galore*")]
    [InlineData("""{"Method":"lora","Rank":0}""", "--method: LoRA.Rank is 0*")]
    [InlineData("cola", "cola trains from scratch*")]
    public void Method_that_is_of_no_use_is_refused_before_a_model_is_loaded(string method, string message) =>
        FluentActions.Invoking(() => Run(Settings("no model", method), "auto")).Should().Throw<UserException>().WithMessage(message);

    [Fact]
    public void Tokenizer_that_does_not_fit_the_vocabulary_is_refused()
    {
        var model = RandomModel.Llama();
        var source = model.Write(Path.Combine(folder.Path, "source"));
        var tokens = Tokens.Json();
        tokens["added_tokens"]!.AsArray().Add(new JsonObject { ["id"] = 300, ["content"] = "<extra>" });
        File.WriteAllText(Path.Combine(source, "tokenizer.json"), tokens.ToJsonString());

        FluentActions.Invoking(() => Run(Settings(source, "lora"), "auto")).Should().Throw<UserException>()
            .WithMessage("The tokenizer does not fit*301 tokens*knows 300*");
        File.Delete(Path.Combine(source, "tokenizer.json"));
        FluentActions.Invoking(() => Run(Settings(source, "lora"), "auto")).Should().Throw<UserException>().WithMessage("There is no tokenizer in*");
    }

    [Fact]
    public void Texts_longer_than_the_model_reads_are_refused() =>
        FluentActions.Invoking(() => Run(Settings(Source(isLlama: false), "lora") with { Seq = 65 }, "auto"))
            .Should().Throw<UserException>().WithMessage("The model reads 64 tokens at most, and --seq is 65.");

    [Fact]
    public void Broken_data_are_found_before_the_weights_are_read()
    {
        var source = Source(isLlama: true);
        folder.Write("data.jsonl", """{"prompt": "hello", "completion": """);
        File.Delete(Path.Combine(source, "model.safetensors"));

        FluentActions.Invoking(() => Run(Settings(source, "lora"), "auto")).Should().Throw<UserException>().WithMessage("*data.jsonl*");
    }

    [Fact]
    public void Texts_are_as_long_as_the_model_reads_where_nothing_is_said()
    {
        var text = new ModelText(null!, null!, [], Positions: 64);

        (text.LengthOf(null), text.LengthOf(32), (text with { Positions = null }).LengthOf(null), (text with { Positions = 4096 }).LengthOf(null))
            .Should().Be((64, 32, 512, 512));
        Run(Settings(Source(isLlama: false), "lora") with { Seq = null, Steps = 2 }, "auto").Completed.Should().BeTrue();
    }

    [Fact]
    public void Generation_takes_the_most_likely_tokens_of_the_reference()
    {
        var model = RandomModel.Llama();
        using var loaded = PretrainedModel.Load(model.Write(folder.Path), ScalarType.Float32, CPU);
        int[] prompt = [5, 9, 7];

        var expected = prompt.ToList();
        for (var place = 0; place < 8; place++)
            expected.Add(Array.IndexOf(ReferenceForward.Llama(model, [.. expected])[^1], ReferenceForward.Llama(model, [.. expected])[^1].Max()));

        new Generation(loaded.Model, CPU).Continue(prompt, 8, ends: []).Should().Equal(expected[3..]);
        new Generation(loaded.Model, CPU).Continue(prompt, 8, ends: [expected[5]]).Should().Equal(expected[3..5], "the third token ends it");
    }

    [Fact]
    public void Drawn_text_follows_from_the_seed_and_keeps_to_the_likely_tokens()
    {
        using var loaded = PretrainedModel.Load(RandomModel.Llama().Write(folder.Path), ScalarType.Float32, CPU);
        int[] Draw(ulong seed, double top) => [.. new Generation(loaded.Model, CPU) { Temperature = 2, TopP = top, Seed = seed }.Continue([1], 10, ends: [])];

        Draw(1, 1).Should().Equal(Draw(1, 1)).And.NotEqual(Draw(2, 1));
        Draw(1, 1e-9).Should().Equal(new Generation(loaded.Model, CPU).Continue([1], 10, ends: []), "only the most likely token is left");
    }

    private string Source(bool isLlama)
    {
        var source = (isLlama ? RandomModel.Llama() : RandomModel.Gpt2()).Write(Path.Combine(folder.Path, "source"));
        folder.Write("data.jsonl",
            string.Join('\n', Enumerable.Range(0, 24).Select(number => $$"""{"prompt": "hello {{number}}: ", "completion": "world"}""")));
        return source;
    }

    private FineTuneSettings Settings(string source, string method) => new()
    {
        Model = source, Method = method, Data = [Path.Combine(folder.Path, "data.jsonl")], Eval = [], Rank = 4, Lr = 0.01, Epochs = 8, Batch = 8, Seq = 32,
        Warmup = 0, WeightDecay = 0, Dtype = "float32", Seed = 3,
    };

    private TrainingReport Run(FineTuneSettings settings, string exports) =>
        new FineTuneRun(settings, Out, resume: false, CPU, TextWriter.Null).Execute(Exports.Find(exports), default);

    private static float[] Logits(string folder, string? adapter = null)
    {
        using var loaded = PretrainedModel.Load(folder, ScalarType.Float32, CPU);
        if (adapter is not null)
            loaded.Merge(adapter);
        using var frozen = no_grad();
        using var scope = NewDisposeScope();
        return loaded.Model.call(tensor(new long[] { 5, 9, 7, 200 }, [1, 4])).data<float>().ToArray();
    }

    private static float LargestDifference(float[] one, float[] other) => one.Zip(other, (a, b) => Math.Abs(a - b)).Max();
}
