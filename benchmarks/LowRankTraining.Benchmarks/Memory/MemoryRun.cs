using LanguageModel.Model;
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

    /// <value>What is measured, small models first.</value>
    public static IReadOnlyList<MemoryRun> All { get; } =
    [
        .. from model in new[] { "350m", "1b" } from run in Of(model) select run,
        Projected("7b"),
    ];

    /// <value>By which a process is asked for it.</value>
    public string Name => NameOf(Model, Method, Flow.ToString(), Type.ToString());

    /// <value>Bytes of the weights, and with AdamW of gradients and two moments, all in the weights' dtype: below what the run takes.</value>
    public long LeastBytes => LlamaConfigs.Find(Model).Parameters * Type.ElementSize() * (Method == AdamW ? 4 : 1);

    /// <summary>The name of a run, as in <c>7b/galore-8bit/projected/bfloat16</c>.</summary>
    public static string NameOf(string model, string method, string flow, string weights) => $"{model}/{method}/{flow}/{weights}".ToLowerInvariant();

    /// <summary>Trains, and measures.</summary>
    public MemoryReport Measure()
    {
        var baseline = ResidentMemory.Now;
        using var model = NewModel();
        using var optimizer = Make(model);
        var losses = new List<double>();
        var time = new System.Diagnostics.Stopwatch();
        for (var step = 0; step < Steps; step++)
        {
            if (step == 1)
                time.Start();
            using var scope = NewDisposeScope();
            optimizer.zero_grad();
            var tokens = Batch(step);
            using (var loss = nn.functional.cross_entropy(model.call(tokens[.., ..^1]).view(-1, Vocabulary), tokens[.., 1..].reshape(-1)))
            {
                losses.Add(loss.ToDouble());
                loss.backward();
            }

            optimizer.step();
        }

        return new(Model, Method, Flow.ToString().ToLowerInvariant(), Type.ToString().ToLowerInvariant(), ResidentMemory.Peak - baseline,
            time.Elapsed.TotalSeconds / (Steps - 1), losses, PlannedBytes(model, optimizer));
    }

    private static IEnumerable<MemoryRun> Of(string model) =>
    [
        new(model, AdamW, made => optim.AdamW(made.named_parameters(), lr: 1e-3), ScalarType.Float32, GradientFlow.Whole),
        Projected(model) with { Flow = GradientFlow.Whole, Make = GaLore(GradientFlow.Whole) },
        Projected(model),
    ];

    private static MemoryRun Projected(string model) => new(model, "galore-8bit", GaLore(GradientFlow.Projected), ScalarType.BFloat16, GradientFlow.Projected);

    private static readonly GaLore EightBit = new() { Rank = Rank, States = StateFormat.Blockwise8Bit, TableStates = StateFormat.Blockwise8Bit };

    private static Func<nn.Module, optim.Optimizer> GaLore(GradientFlow flow) => model => EightBit.Attach(model, gradients: flow).CreateOptimizer(lr: 0.01);

    /// <summary>The weights are made in the dtype that they are trained in, one after the other.</summary>
    private Llama NewModel()
    {
        var usual = get_default_dtype();
        set_default_dtype(Type);
        try
        {
            return new Llama(LlamaConfigs.Find(Model) with { Vocabulary = Vocabulary }, seed: 1);
        }
        finally
        {
            set_default_dtype(usual);
        }
    }

    private static Tensor Batch(int step)
    {
        using var generator = new Generator((ulong)step);
        return randint(0, Vocabulary, [1, Tokens + 1], ScalarType.Int64, generator: generator);
    }

    /// <summary>Weights, state and gradients; activations are not in it.</summary>
    private static long PlannedBytes(nn.Module model, optim.Optimizer optimizer)
    {
        if (optimizer is not LowRankOptimizer { Session: var session })
            return 4 * model.parameters().Sum(parameter => parameter.numel() * parameter.element_size());

        var plan = MemoryPlan.For(session);
        return plan.WeightBytes + plan.StateBytes + session.Parameters.Sum(GradientBytes);

        // Where the gradient has a sink, it is held projected, in float32.
        static long GradientBytes(ParameterPlan held) => held.Sink is null
            ? held.Parameter.numel() * held.Parameter.element_size()
            : Math.Min(Rank, held.Shape.Min()) * held.Shape.Max() * sizeof(float);
    }
}

/// <summary>What a run has taken.</summary>
internal sealed record MemoryReport(
    string Model, string Method, string Flow, string Weights, long PeakBytes, double SecondsPerStep, IReadOnlyList<double> Losses, long PlannedBytes);
