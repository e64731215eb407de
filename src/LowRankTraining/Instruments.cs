using System.Diagnostics.Metrics;
using System.Reflection;
using System.Runtime.CompilerServices;

namespace LowRankTraining;

/// <summary>What training tells programs that measure: the meter "LowRankTraining". Nothing is computed, and no device is waited for, unless somebody listens
/// to the instrument that it is for.</summary>
/// <remarks>Every measurement has the method as "lowranktraining.method".</remarks>
internal static class Instruments
{
    public const string MeterName = nameof(LowRankTraining), MethodTag = "lowranktraining.method", ReasonTag = "lowranktraining.reason";

    private static readonly Meter Meter = new(
        MeterName, typeof(Instruments).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion);

    private static readonly double[] Shares = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999];
    private static readonly double[] Ranks = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];
    private static readonly double[] Seconds = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30];

    private static readonly ConditionalWeakTable<object, StateSize> Sizes = [];

    [ThreadStatic]
    private static string? _method;

    public static Counter<long> Steps { get; } = Meter.CreateCounter<long>("lowranktraining.steps", "{step}", "Optimizer steps that were taken.");

    public static Counter<long> SkippedUpdates { get; } = Meter.CreateCounter<long>(
        "lowranktraining.updates.skipped", "{update}", "Updates of a parameter that were skipped, as its gradient was zero or not finite.");

    public static Counter<long> Refreshes { get; } = Meter.CreateCounter<long>(
        "lowranktraining.refreshes", "{refresh}", "Subspaces that were found again.");

    public static Histogram<double> RefreshDuration { get; } = Histogram(
        "lowranktraining.refresh.duration", "s", "Time to find a subspace again, with the projection onto it and what moments do to follow.", Seconds);

    public static Histogram<double> CapturedEnergy { get; } = Histogram(
        "lowranktraining.subspace.captured_energy", "1", "Share of the gradient's squared norm inside a subspace that was just found.", Shares);

    public static Histogram<double> Overlap { get; } = Histogram(
        "lowranktraining.subspace.overlap", "1", "Share of a new subspace that lies in the one before it: the mean squared cosine between them.", Shares);

    public static Histogram<double> EffectiveRank { get; } = Histogram(
        "lowranktraining.subspace.effective_rank", "{dimension}",
        "Dimensions that the projected gradient really uses: the exponential of the entropy of its singular values.", Ranks);

    public static Counter<long> LimiterActivations { get; } = Meter.CreateCounter<long>(
        "lowranktraining.limiter.activations", "{activation}", "Updates that a limiter has shortened.");

    public static Counter<long> Spikes { get; } = Meter.CreateCounter<long>(
        "lowranktraining.spikes", "{entry}", "Entries of gradients that a guard has cut.");

    public static Counter<long> Merges { get; } = Meter.CreateCounter<long>(
        "lowranktraining.merges", "{merge}", "Low-rank factors that were merged into their weight.");

    public static ObservableUpDownCounter<long> StateBytes { get; } = Meter.CreateObservableUpDownCounter(
        "lowranktraining.state.size", () => Sizes.Select(size => new Measurement<long>(size.Value.Bytes, Tag(size.Value.Method))),
        "By", "Optimizer state of all optimizers, as of their last step.");

    /// <summary>Names the method that what is measured next on this thread belongs to.</summary>
    public static void Enter(string method) => _method = method;

    /// <summary>Counts with the method at work.</summary>
    public static void Count(this Counter<long> counter, long count = 1)
    {
        if (count > 0 && counter.Enabled)
            counter.Add(count, Tag(_method));
    }

    public static void CountSkipped(bool isZero)
    {
        if (SkippedUpdates.Enabled)
            SkippedUpdates.Add(1, Tag(_method), new(ReasonTag, isZero ? "zero" : "non_finite"));
    }

    /// <summary>Records a number with the method at work.</summary>
    public static void Observe(this Histogram<double> histogram, double value) => histogram.Record(value, Tag(_method));

    /// <summary>Keeps the bytes of an optimizer for whoever asks later, on whichever thread.</summary>
    public static void ReportState(object optimizer, long bytes) =>
        Sizes.GetValue(optimizer, static _ => new StateSize(_method)).Bytes = bytes;

    /// <summary>An optimizer that holds nothing any more.</summary>
    public static void DropState(object optimizer) => Sizes.Remove(optimizer);

    private static KeyValuePair<string, object?> Tag(string? method) => new(MethodTag, method);

#if NET9_0_OR_GREATER
    private static Histogram<double> Histogram(string name, string unit, string description, IReadOnlyList<double> boundaries) =>
        Meter.CreateHistogram(name, unit, description, advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = boundaries });
#else
    private static Histogram<double> Histogram(string name, string unit, string description, IReadOnlyList<double> _) =>
        Meter.CreateHistogram<double>(name, unit, description);
#endif

    private sealed class StateSize(string? method)
    {
        public string? Method => method;

        public long Bytes { get; set; }
    }
}
