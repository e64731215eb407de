using System.Text.Json;
using LowRankTraining.Text;

namespace LowRankTraining.Checkpoints;

/// <summary>A <see cref="CheckpointManifest"/> where it stands in its file: checked when the file is opened, and what it lists is read one by one when it is
/// asked for.</summary>
internal sealed class SavedManifest
{
    private readonly JsonView _groups, _parameters;

    /// <exception cref="InvalidDataException">It is damaged.</exception>
    /// <exception cref="Exception">What reading damaged JSON throws: see <see cref="SafeTensorsHeader.IsDamage"/>.</exception>
    public SavedManifest(ReadOnlyMemory<byte> json)
    {
        if (JsonKeys.Repeated(json.Span) is { } repeated)
            throw new InvalidDataException($"its manifest has '{repeated}' twice.");

        var format = default(int?);
        JsonView? kind = null, method = null, groups = null, parameters = null, checksums = null;
        foreach (var (key, value) in new JsonView(json).Entries)
            if (value.Type == JsonTokenType.Null)
                continue;
            else if (key.Is("format"u8))
                format = value.Int32;
            else if (key.Is("kind"u8))
                kind = value;
            else if (key.Is("optimizer"u8))
                Optimizer = value;
            else if (key.Is("method"u8))
                method = value;
            else if (key.Is("options"u8))
                Options = value;
            else if (key.Is("seed"u8))
                Seed = value.UInt64;
            else if (key.Is("step"u8))
                Step = value.Int64;
            else if (key.Is("last_norm"u8))
                LastNorm = value.Double;
            else if (key.Is("groups"u8))
                groups = value;
            else if (key.Is("parameters"u8))
                parameters = value;
            else if (key.Is("configuration"u8))
                Configuration = value;
            else if (key.Is("checksums"u8))
                checksums = value;

        if (format != CheckpointManifest.CurrentFormat)
            throw new InvalidDataException(
                $"it was written in format {format}, and this version of the library reads format {CheckpointManifest.CurrentFormat}.");
        Kind = Require(kind, JsonTokenType.String, nameof(kind));
        Method = Require(method, JsonTokenType.String, nameof(method));
        Checksums = Require(checksums, JsonTokenType.StartObject, nameof(checksums));
        _groups = Require(groups, JsonTokenType.StartArray, nameof(groups));
        _parameters = Require(parameters, JsonTokenType.StartArray, nameof(parameters));
        Counts = (Groups.Count(), Parameters.Count());
    }

    /// <inheritdoc cref="CheckpointManifest.Kind"/>
    public JsonView Kind { get; }

    /// <inheritdoc cref="CheckpointManifest.Optimizer"/>
    public JsonView? Optimizer { get; }

    /// <inheritdoc cref="CheckpointManifest.Method"/>
    public JsonView Method { get; }

    /// <inheritdoc cref="CheckpointManifest.Options"/>
    public JsonView? Options { get; }

    /// <inheritdoc cref="CheckpointManifest.Seed"/>
    public ulong? Seed { get; }

    /// <inheritdoc cref="CheckpointManifest.Step"/>
    public long Step { get; }

    /// <inheritdoc cref="CheckpointManifest.LastNorm"/>
    public double? LastNorm { get; }

    /// <inheritdoc cref="CheckpointManifest.Configuration"/>
    public JsonView? Configuration { get; }

    /// <inheritdoc cref="CheckpointManifest.Checksums"/>
    public JsonView Checksums { get; }

    /// <value>How many groups and parameters there are, each of which has been read once.</value>
    public (int Groups, int Parameters) Counts { get; }

    /// <inheritdoc cref="CheckpointManifest.Groups"/>
    public IEnumerable<GroupManifest> Groups
    {
        get
        {
            foreach (var group in _groups.Items)
                yield return GroupManifest.Of(group);
        }
    }

    /// <inheritdoc cref="CheckpointManifest.Parameters"/>
    public IEnumerable<SavedParameter> Parameters
    {
        get
        {
            foreach (var parameter in _parameters.Items)
                yield return new SavedParameter(parameter);
        }
    }

    /// <summary>That of a state that is not in a file.</summary>
    public static SavedManifest Of(CheckpointManifest manifest) => new(JsonSerializer.SerializeToUtf8Bytes(manifest, CheckpointManifest.Json));

    /// <exception cref="InvalidDataException">It is not there, or of another type.</exception>
    public static JsonView Require(JsonView? value, JsonTokenType type, string name) =>
        value is { } found && found.Type == type ? found : throw new InvalidDataException($"its manifest has no {name}, or it is not what it should be.");
}
