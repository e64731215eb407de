using System.Text.Json;
using System.Text.Json.Serialization;
using LanguageModel.Training;

namespace Compare.Runs;

/// <summary>A line that the process of a run writes for the one that started it.</summary>
[JsonDerivedType(typeof(Stepped), "step")]
[JsonDerivedType(typeof(Ended), "ended")]
[JsonDerivedType(typeof(Refused), "refused")]
internal abstract record RunMessage
{
    private static readonly JsonSerializerOptions Format = new() { NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals };

    /// <summary>The message on one line.</summary>
    public string ToLine() => JsonSerializer.Serialize(this, Format);

    /// <summary>The message on <paramref name="line"/>; null where it is something else.</summary>
    public static RunMessage? Parse(string line)
    {
        try
        {
            return line.StartsWith('{') ? JsonSerializer.Deserialize<RunMessage>(line, Format) : null;
        }
        catch (Exception other) when (other is JsonException or NotSupportedException)
        {
            return null;
        }
    }

    /// <summary>A step was done.</summary>
    public sealed record Stepped(StepReport Step) : RunMessage;

    /// <summary>The run came to its end, or to where it was told to stop.</summary>
    public sealed record Ended(TrainingReport Report) : RunMessage;

    /// <summary>The run could not be done.</summary>
    public sealed record Refused(string Reason) : RunMessage;
}
