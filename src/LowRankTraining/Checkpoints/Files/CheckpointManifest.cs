using System.Reflection;
using System.Text;
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

    private static readonly JsonSerializerOptions Json = new()
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

    /// <value>XXH3 of the values of every tensor, by its name in the file. They are written, and not read with the rest: see
    /// <see cref="ChecksumsIn"/>.</value>
    public IReadOnlyDictionary<string, string> Checksums { get; internal init; } = new Dictionary<string, string>();

    /// <summary>Whether a text can be a manifest of this library, damaged perhaps: other programs have manifests too.</summary>
    public static bool MayBe(ReadOnlySpan<byte> text) => text.IndexOf("\"checksums\""u8) >= 0 || text.IndexOf("\"library\""u8) >= 0;

    public static CheckpointManifest Parse(ReadOnlySpan<byte> json)
    {
        if (JsonKeys.Repeated(json) is { } repeated)
            throw new InvalidDataException($"its manifest has '{repeated}' twice.");
        return JsonSerializer.Deserialize<Version>(json, Json)?.Format is var format && format == CurrentFormat
            ? JsonSerializer.Deserialize<CheckpointManifest>(json, Json)!.RequireComplete()
            : throw new InvalidDataException($"it was written in format {format}, and this version of the library reads format {CurrentFormat}.");
    }

    /// <summary>A reader at the checksums of a manifest, which can be very many.</summary>
    public static Utf8JsonReader ChecksumsIn(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json);
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName && !reader.ValueTextEquals("checksums"u8))
            reader.Skip();
        return reader.Read() && reader.TokenType == JsonTokenType.StartObject ? reader : throw new InvalidDataException("its manifest has no checksums.");
    }

    public string ToJson() => JsonSerializer.Serialize(this, Json);

    /// <summary>JSON may have null wherever it likes.</summary>
    private CheckpointManifest RequireComplete() =>
        Kind is not null && Method is not null && Library is not null
        && Groups?.All(group => group is not null) == true && Parameters?.All(parameter => parameter?.IsComplete == true) == true
            ? this
            : throw new InvalidDataException("its manifest has null where something is needed.");

    /// <summary>The first difference of a saved state in one sentence, or null where it fits.</summary>
    public string? DifferenceFrom(CheckpointManifest saved)
    {
        if (saved.Optimizer != Optimizer)
            return $"The file holds the state of a {saved.Optimizer}, and the optimizer is a {Optimizer}.";
        if (saved.Method != Method)
            return $"The state was saved by strategy '{saved.Method}', and this optimizer runs '{Method}'.";
        if (Sizes(saved) is var there && Sizes(this) is var here && there != here)
            return $"The state is of {there}, and this optimizer has {here}: the strategy goes another way into the model (another Injection, or fields "
                + "of another type), or there are other groups.";

        if (saved.Seed is { } seed && Seed is { } now && seed != now)
            return $"The state was saved with Seed {seed}, and this optimizer has Seed {now}: what is drawn from it would no longer be what the state is of.";

        return Parameters.Zip(saved.Parameters, (here, there) => here.DifferenceFrom(there)).FirstOrDefault(difference => difference is not null);
    }

    /// <summary>What every format says, whatever else it does.</summary>
    private sealed record Version(int? Format);

    private static string Sizes(CheckpointManifest manifest) =>
        $"{string.Join(" + ", manifest.Groups.Select(group => group.Parameters))} parameters";
}

/// <summary>A group of parameters and its options.</summary>
internal sealed record GroupManifest(
    [property: JsonRequired] int Parameters,
    double? LearningRate = null, double? InitialLearningRate = null, double? WeightDecay = null, double? Beta1 = null, double? Beta2 = null);

/// <summary>What has state: a parameter, or a mixer.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Shape">Its shape.</param>
/// <param name="Dtype">Its dtype, by safetensors' name; null where it has none.</param>
/// <param name="Layout">What its state looks like, and in which formats.</param>
/// <param name="Slots">Names of the tensors of its state.</param>
/// <param name="Counters">Whole numbers of its state.</param>
internal sealed record ParameterManifest(
    [property: JsonRequired] string Name,
    long[] Shape, string? Dtype, string Layout, IReadOnlyList<string> Slots, IReadOnlyDictionary<string, long> Counters)
{
    [JsonIgnore]
    public bool IsComplete =>
        Name is not null && Shape is not null && Layout is not null && Counters is not null && Slots?.All(slot => slot is not null) == true;

    public string? DifferenceFrom(ParameterManifest saved)
    {
        if (saved.Name != Name)
            return $"The state has parameter '{saved.Name}' where this optimizer has '{Name}'.";
        if (!saved.Shape.SequenceEqual(Shape))
            return $"Parameter '{Name}' was saved with shape [{string.Join(", ", saved.Shape)}], and has shape [{string.Join(", ", Shape)}] here.";
        return saved.Layout == Layout ? null : $"Parameter '{Name}' was saved as '{saved.Layout}', and is '{Layout}' here.";
    }
}
