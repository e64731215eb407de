using System.Reflection;
using LowRankTraining.Layers;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Strategies;

/// <summary>A method on trial: a small model, some steps with a refresh, and what came of it.</summary>
internal static class OptionTrial
{
    /// <summary>At one of the steps all gradients are zero.</summary>
    private const int Steps = 6, AtRest = 4;

    /// <summary>The options of a method or part that can be set.</summary>
    public static IEnumerable<PropertyInfo> OptionsOf(Type type) =>
        type.GetProperties(BindingFlags.Public | BindingFlags.Instance)
            .Where(option => option is { CanRead: true, CanWrite: true } && option.GetIndexParameters().Length == 0);

    /// <summary>The same method or part with another value.</summary>
    public static T With<T>(T part, PropertyInfo option, object? value) where T : class
    {
        var copy = (T)part.GetType().GetMethod("<Clone>$")!.Invoke(part, null)!;
        option.SetValue(copy, value);
        return copy;
    }

    /// <summary>Small ranks, and short periods, so that a few steps see everything once.</summary>
    public static ILowRankStrategy Short(ILowRankStrategy method) => method switch
    {
        Frugal frugal => frugal with { RefreshEvery = 2 },
        LDAdam ldadam => ldadam with { Rank = 4 },
        QGaLore quantized => quantized with
        {
            Rank = 4,
            RefreshEvery = 1,
            RememberedSimilarities = 1,
            BasisFormat = Lower(quantized.BasisFormat),
            States = Lower(quantized.States),
        },
        GradientSpaceMethod { Refresh: null } projecting => projecting with
        {
            Rank = 4,
            RefreshEvery = 2,
            BasisFormat = Lower(projecting.BasisFormat),
            States = Lower(projecting.States),
        },
        GradientSpaceMethod projecting => projecting with { Rank = 4 },
        Flora flora => flora with { Rank = 4, ResampleEvery = 2 },
        Dion dion => dion with { Rank = 4 },
        MoFaSgd factored => factored with { Rank = 4 },
        Gum drawn => drawn with { Rank = 4, RefreshEvery = 2, OutsideShare = 0.5 },
        Spam spam => spam with { Threshold = 1.5, ResetEvery = 3, WarmupAfterReset = 2, ClipStart = 1 },
        StableSpam stable => stable with { ResetEvery = 3, TotalSteps = 4 },
        ReLoRA relora => relora with { Rank = 4, MergeEvery = 2, Base = BaseFormat.Blockwise8Bit },
        PriLoRA prilora => prilora with { Rank = 4, PruneEvery = 2 },
        SwitchLoRA switching => switching with { Rank = 4, SwitchEvery = 4 },
        InRank growing => growing with { Rank = 1, Buffer = 1, MaxRankRatio = 1, WarmupSteps = 0, CheckEvery = 1, StableChecks = 5 },
        _ => Asking(method),
    };

    /// <summary>The method with its default rank asked for, so that small matrices are not spared.</summary>
    public static ILowRankStrategy Asking(ILowRankStrategy method) =>
        method is not WeLore && OptionsOf(method.GetType()).SingleOrDefault(option => option.Name == nameof(GaLore.Rank)) is { } rank
            ? With(method, rank, rank.GetValue(method))
            : method;

    /// <summary>The format for tensors of any size: those of the trial are small.</summary>
    private static StateFormat Lower(StateFormat format) => format is QuantizedFormat quantized ? quantized with { Threshold = 0 } : format;

    /// <summary>Trains; a text of plan and weights that differs where anything does.</summary>
    public static string Run(ILowRankStrategy method, out bool isFinite)
    {
        using var scope = NewDisposeScope();
        random.manual_seed(1);
        using var model = new Small();
        var session = method.Attach(model);
        if (session is AdapterSession adapters && method is LoRA { Init: FactorInit.LoRAGA })
            adapters.Initialize(() => model.call(Draw.Normal([8, 24], 100).to(ScalarType.Float32)).square().mean().backward());
        using var optimizer = session.CreateOptimizer(lr: 1e-3, weight_decay: 0.1);
        for (ulong step = 1; step <= Steps; step++)
        {
            optimizer.zero_grad();
            var input = Draw.Normal([8, 24], 100 + step).to(ScalarType.Float32);
            var loss = model.call(input).square().mean() * (step == AtRest ? 0 : 1);
            loss.backward();
            optimizer.step();
        }

        var plan =
            string.Join("\n", MemoryPlan.For(optimizer.Session).Parameters.Select(parameter => $"{parameter.Name} {parameter.Layout} {parameter.StateBytes}"));
        isFinite = model.named_parameters().All(pair => pair.parameter.isfinite().all().ToBoolean());
        var weights = model.named_parameters().Where(pair => pair.parameter.is_floating_point()).Select(pair => Fingerprint(pair.parameter));
        return $"{plan}\n{string.Join(" ", weights)}";
    }

    private static string Fingerprint(Tensor weight)
    {
        var numbers = weight.detach().to(ScalarType.Float64).flatten();
        return FormattableString.Invariant(
            $"{(numbers * linspace(1, 2, numbers.numel(), ScalarType.Float64)).sum().ToDouble():R},{numbers.square().sum().ToDouble():R}");
    }

    /// <summary>Two linear layers, a convolution and an embedding, of which the second layer is wide and the first tall.</summary>
    /// <remarks>The convolution has groups: without them oneDNN multiplies memory that it has not written (docs/troubleshooting.md).</remarks>
    public sealed class Small : nn.Module<Tensor, Tensor>
    {
#pragma warning disable CA2213 // Registered modules are disposed with this one.
        private readonly nn.Module<Tensor, Tensor> first = nn.Linear(24, 40);
        private readonly nn.Module<Tensor, Tensor> second = nn.Linear(40, 20);
        private readonly nn.Module<Tensor, Tensor> square = nn.Linear(20, 20);
        private readonly Conv2d convolution = nn.Conv2d(4, 6, 3, groups: 2);
        private readonly Embedding embed = nn.Embedding(16, 300);
#pragma warning restore CA2213

        public Small() : base(nameof(Small)) => RegisterComponents();

        public override Tensor forward(Tensor input)
        {
            var hidden = square.call(second.call(first.call(input).tanh()).tanh());
            var image = convolution.call(hidden.reshape(8, 4, 5, 1).expand(8, 4, 5, 3)).mean([1, 2, 3]);
            var table = embed.call(arange(8, ScalarType.Int64)).mean([1]);
            return hidden.sum(1) + image + table;
        }
    }
}
