using System.Diagnostics;
using LanguageModel.Model;
using LanguageModel.Training;
using LowRankTraining.ByteCounting;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Benchmarks.Memory;

/// <summary>One model of the samples' configurations, trained for a few steps by one method on the CPU.</summary>
/// <param name="Model">Its configuration.</param>
/// <param name="Method">The name of the method; AdamW is TorchSharp's.</param>
/// <param name="Make">Makes its optimizer.</param>
/// <param name="Type">Dtype of the weights.</param>
/// <param name="Flow">What becomes of gradients.</param>
internal sealed record MemoryRun(string Model, string Method, Func<nn.Module, optim.Optimizer> Make, ScalarType Type, GradientFlow Flow)
{
    private const string AdamW = "adamw";

    /// <summary>Batch 1 of so many tokens, of a vocabulary of LLaMA's size.</summary>
    private const int Tokens = 256, Vocabulary = 32_000, Rank = 256, Steps = 3;

    private static readonly GaLore Short = new() { Rank = Rank, States = StateFormat.Blockwise8Bit, TableStates = StateFormat.Blockwise8Bit };

    /// <value>What is measured, small models first.</value>
    public static IReadOnlyList<MemoryRun> All { get; } =
    [
        .. from model in new[] { "60m", "350m", "1b" } from run in Of(model) select run,
        Plain("7b"),
        EightBit("7b", GradientFlow.Projected),
        Smallest("7b"),
        Quantized("7b"),
    ];

    /// <value>What is done to every decoder layer before the next one is made; null for nothing.</value>
    public Action<DecoderLayer>? Made { get; init; }

    /// <value>Whether layers keep their inputs alone, and are run again in the backward pass.</value>
    public bool Checkpoints { get; init; }

    /// <value>By which a process is asked for it.</value>
    public string Name => NameOf(Model, Method, Flow.ToString(), Type.ToString());

    /// <value>Bytes of the weights, and with AdamW of gradients and two moments, all in the weights' dtype: below what the run takes.</value>
    public long LeastBytes => LlamaConfigs.Find(Model).Parameters * Type.ElementSize() * (Method == AdamW ? 4 : 1);

    private LlamaConfig Config => LlamaConfigs.Find(Model) with { Vocabulary = Vocabulary };

    /// <summary>The name of a run, as in <c>7b/galore-8bit/projected/bfloat16</c>.</summary>
    public static string NameOf(string model, string method, string flow, string weights) => $"{model}/{method}/{flow}/{weights}".ToLowerInvariant();

    /// <summary>Trains, and measures.</summary>
    public MemoryReport Measure()
    {
        _ = ByteCounter.IsAvailable;
        var baseline = ResidentMemory.Now;
        using var model = NewModel();
        using var optimizer = Make(model);
        var making = ResidentMemory.Peak - baseline;
        var losses = new List<double>();
        var time = new Stopwatch();
        for (var step = 0; step < Steps; step++)
        {
            if (step == 1)
                time.Start();
            using var scope = NewDisposeScope();
            model.zero_grad();
            var tokens = Batch(step);
            using (var loss = model.Loss(tokens[.., ..^1], tokens[.., 1..].contiguous()))
            {
                losses.Add(loss.ToDouble());
                loss.backward();
            }

            optimizer.step();
        }

        return Predict() with
        {
            Measured = true,
            MakingBytes = making,
            PeakBytes = ResidentMemory.Peak - baseline,
            TensorBytes = ByteCounter.IsAvailable ? ByteCounter.Peak : null,
            SecondsPerStep = time.Elapsed.TotalSeconds / (Steps - 1),
            Losses = losses,
            PlannedBytes = PlannedBytes(optimizer),
        };
    }

    /// <summary>What is known of a run that the machine has too little memory for.</summary>
    public MemoryReport Predict() =>
        new(Model, Method, Flow.ToString().ToLowerInvariant(), Type.ToString().ToLowerInvariant(), Measured: false, Checkpoints, LeastBytes);

    private static IEnumerable<MemoryRun> Of(string model) =>
    [
        Plain(model),
        EightBit(model, GradientFlow.Whole),
        EightBit(model, GradientFlow.Projected),
        Smallest(model),
        Quantized(model),
    ];

    private static MemoryRun Plain(string model) =>
        new(model, AdamW, made => optim.AdamW(made.named_parameters(), lr: 1e-3), ScalarType.Float32, GradientFlow.Whole);

    private static MemoryRun EightBit(string model, GradientFlow flow) => Of(model, "galore-8bit", Short, flow);

    /// <summary>All that saves memory and leaves the weights in bfloat16.</summary>
    private static MemoryRun Smallest(string model) =>
        Of(model, "galore-8bit", Short with { BasisFormat = StateFormat.BFloat16 }, GradientFlow.Stepped) with { Checkpoints = true };

    /// <summary>All that saves memory. No more than one layer is ever there in full.</summary>
    private static MemoryRun Quantized(string model)
    {
        var method = new QGaLore { Rank = Rank, TableStates = StateFormat.Blockwise8Bit };
        return Of(model, "q-galore", method, GradientFlow.Stepped) with { Checkpoints = true, Made = layer => method.Quantize(layer) };
    }

    private static MemoryRun Of(string model, string name, UpdateMethod method, GradientFlow flow) =>
        new(model, name, made => method.Attach(made, gradients: flow).CreateOptimizer(lr: 0.01), ScalarType.BFloat16, flow);

    /// <summary>The weights are made in the dtype that they are trained in, one after the other.</summary>
    private Llama NewModel() => Dtypes.In(Type, () => new Llama(Config, seed: 1, Made) { CheckpointsActivations = Checkpoints });

    private static Tensor Batch(int step)
    {
        using var generator = new Generator((ulong)step);
        return randint(0, Vocabulary, [1, Tokens + 1], ScalarType.Int64, generator: generator);
    }

    /// <summary>All that is planned. TorchSharp's AdamW frees the temporaries of a step, two for each weight, at its end.</summary>
    private long PlannedBytes(optim.Optimizer optimizer)
    {
        var activations = new LlamaActivations(Config, Tokens, Type, Checkpoints);
        return optimizer is LowRankOptimizer { Session: var session }
            ? MemoryPlan.For(session).PeakBytes(activations.LayerBytes, activations.PassingBytes, rerunBytes: activations.RerunBytes)
            : 6 * Config.Parameters * Type.ElementSize();
    }
}

/// <summary>What a run has taken.</summary>
/// <param name="Model">The configuration.</param>
/// <param name="Method">The method.</param>
/// <param name="Flow">What became of gradients.</param>
/// <param name="Weights">Dtype of the weights.</param>
/// <param name="Measured">Whether it was run. Else all that is not planned is null.</param>
/// <param name="Checkpoints">Whether layers were run again in the backward pass.</param>
/// <param name="PlannedBytes">The most bytes of tensors at once, as planned; of a run that was not measured the least that it takes.</param>
internal sealed record MemoryReport(string Model, string Method, string Flow, string Weights, bool Measured, bool Checkpoints, long PlannedBytes)
{
    /// <value>The most that the process had resident while model and optimizer were made, less what it had before there was a model.</value>
    public long? MakingBytes { get; init; }

    /// <value>The most that the process had resident, less what it had before there was a model.</value>
    public long? PeakBytes { get; init; }

    /// <value>The most bytes of tensors at once; null where they cannot be counted.</value>
    public long? TensorBytes { get; init; }

    /// <value>After the first step.</value>
    public double? SecondsPerStep { get; init; }

    /// <value>Of every step.</value>
    public IReadOnlyList<double> Losses { get; init; } = [];
}
