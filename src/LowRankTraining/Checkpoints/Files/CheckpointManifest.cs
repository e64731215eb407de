using System.Reflection;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using LowRankTraining.Text;

namespace LowRankTraining.Checkpoints;

/// <summary>What a file of the library says about itself: what it holds, of which method with which options, after how many steps.</summary>
internal sealed record CheckpointManifest
{
    /// <summary>The format of all files. The first one was not safetensors.</summary>
    public const int CurrentFormat = 2;

    /// <summary>Values of <see cref="Kind"/>.</summary>
    public const string Training = "training", OptimizerState = "optimizer", Adapter = "adapter", Mixer = "mixer";

    public static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public int Format { get; init; } = CurrentFormat;

    /// <value>Version of the library that wrote the file.</value>
    public string Library { get; init; } =
        typeof(CheckpointManifest).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion;

    /// <value>What the file holds: "training", "optimizer", "adapter" or "mixer".</value>
    public required string Kind { get; init; }

    /// <value>The optimizer's type; null where there is none.</value>
    public string? Optimizer { get; init; }

    /// <value>Name of the method; of an optimizer of TorchSharp its type; of a mixer its kind.</value>
    public required string Method { get; init; }

    /// <value>All options of the method, see <see cref="MethodDescription"/>; null where they are not known.</value>
    public JsonObject? Options { get; init; }

    /// <value>Seed of the method's random choices.</value>
    public ulong? Seed { get; init; }

    /// <value>Completed steps.</value>
    public long Step { get; init; }

    /// <value>The norm of the gradients of the last step, where the next one is clipped by it.</value>
    public double? LastNorm { get; init; }

    /// <value>The optimizer's groups, in order.</value>
    public IReadOnlyList<GroupManifest> Groups { get; init; } = [];

    /// <value>What has state in the file: the optimizer's parameters, in order, or the mixer.</value>
    public IReadOnlyList<ParameterManifest> Parameters { get; init; } = [];

    /// <value>Of an adapter: the checksum of all in its configuration that counts; null elsewhere.</value>
    public string? Configuration { get; init; }

    /// <value>XXH3 of the values of every tensor, by its name in the file.</value>
    public IReadOnlyDictionary<string, string> Checksums { get; init; } = new Dictionary<string, string>();

    /// <summary>Whether a text can be a manifest of this library, damaged perhaps: other programs have manifests too.</summary>
    public static bool MayBe(ReadOnlySpan<byte> text) => text.IndexOf("\"checksums\""u8) >= 0 || text.IndexOf("\"library\""u8) >= 0;

    public string ToJson() => JsonSerializer.Serialize(this, Json);

    /// <summary>The first difference of a saved state in one sentence, or null where it fits.</summary>
    public string? DifferenceFrom(SavedManifest saved)
    {
        if (saved.Optimizer?.Is(Optimizer) != true)
            return $"The file holds the state of a {saved.Optimizer?.Short()}, and the optimizer is a {Optimizer}.";
        if (!saved.Method.Is(Method))
            return $"The state was saved by strategy '{saved.Method.Short()}', and this optimizer runs '{Method}'.";
        if (saved.Counts.Parameters != Parameters.Count || saved.Counts.Groups != Groups.Count
            || !saved.Groups.Select(SizeOf).SequenceEqual(Groups.Select(SizeOf)))
            return $"The state is of {Sizes(saved.Groups, saved.Counts.Parameters)}, and this optimizer has {Sizes(Groups, Parameters.Count)}: the strategy "
                + "goes another way into the model (another Injection, or fields of another type), or there are other groups.";

        if (saved.Seed is { } seed && Seed is { } now && seed != now)
            return $"The state was saved with Seed {seed}, and this optimizer has Seed {now}: what is drawn from it would no longer be what the state is of.";

        return Parameters.Zip(saved.Parameters, (here, there) => here.DifferenceFrom(there)).FirstOrDefault(difference => difference is not null);
    }

    private static int SizeOf(GroupManifest group) => group.Parameters;

    private static string Sizes(IEnumerable<GroupManifest> groups, int parameters)
    {
        const int most = 12;
        int[] sizes = [.. groups.Take(most + 1).Select(SizeOf)];
        return sizes.Length <= most && sizes.Sum() == parameters
            ? $"{string.Join(" + ", sizes)} parameters"
            : $"{parameters} parameters in other groups";
    }
}

/// <summary>A group of parameters and its options.</summary>
internal readonly record struct GroupManifest(
    int Parameters,
    double? LearningRate = null, double? InitialLearningRate = null, double? WeightDecay = null, double? Beta1 = null, double? Beta2 = null)
{
    /// <exception cref="InvalidDataException">It does not say how many parameters there are.</exception>
    public static GroupManifest Of(JsonView saved)
    {
        int? parameters = null;
        double? rate = null, initialRate = null, decay = null, beta1 = null, beta2 = null;
        foreach (var (key, value) in saved.Entries)
            if (key.Is("parameters"u8))
                parameters = value.Int32;
            else if (key.Is("learning_rate"u8))
                rate = Number(value);
            else if (key.Is("initial_learning_rate"u8))
                initialRate = Number(value);
            else if (key.Is("weight_decay"u8))
                decay = Number(value);
            else if (key.Is("beta1"u8))
                beta1 = Number(value);
            else if (key.Is("beta2"u8))
                beta2 = Number(value);
        return new(
            parameters ?? throw new InvalidDataException("its manifest has no number of parameters for a group."),
            rate, initialRate, decay, beta1, beta2);
    }

    private static double? Number(JsonView value) => value.Type == JsonTokenType.Null ? null : value.Double;
}

/// <summary>What has state: a parameter, or a mixer.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Shape">Its shape.</param>
/// <param name="Dtype">Its dtype, by safetensors' name; null where it has none.</param>
/// <param name="Layout">What its state looks like, and in which formats.</param>
/// <param name="Slots">Names of the tensors of its state.</param>
/// <param name="Counters">Whole numbers of its state.</param>
internal sealed record ParameterManifest(
    string Name, long[] Shape, string? Dtype, string Layout, IReadOnlyList<string> Slots, IReadOnlyDictionary<string, long> Counters)
{
    public string? DifferenceFrom(SavedParameter saved)
    {
        if (!saved.Name.Is(Name))
            return $"The state has parameter '{saved.Name.Short()}' where this optimizer has '{Name}'.";
        if (!saved.Shape.SequenceEqual(Shape))
            return $"Parameter '{Name}' was saved with shape [{string.Join(", ", saved.Shape)}], and has shape [{string.Join(", ", Shape)}] here.";
        return saved.Layout.Is(Layout) ? null : $"Parameter '{Name}' was saved as '{saved.Layout.Short()}', and is '{Layout}' here.";
    }
}
