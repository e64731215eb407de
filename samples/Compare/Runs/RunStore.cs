using System.Reflection;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using LanguageModel.Training;
using LowRankTraining;

namespace Compare.Runs;

/// <summary>The finished runs of a folder, a line each in <c>runs.jsonl</c>, so that a comparison that was stopped goes on where it was.</summary>
/// <remarks>A run is found again by all that was asked of it and by its text. The library's version is noted and not compared: a long comparison outlives
/// versions.</remarks>
internal sealed class RunStore
{
    private static readonly JsonSerializerOptions Format = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
    };

    private readonly string file;
    private readonly string data;
    private readonly Dictionary<RunRequest, TrainingReport> finished = [];

    /// <param name="folder">Where the file is, or will be.</param>
    /// <param name="data">Hash of the text; runs on other texts are not given out.</param>
    /// <param name="isReused">Whether earlier runs count.</param>
    public RunStore(string folder, string data, bool isReused)
    {
        this.data = data;
        file = Path.Combine(folder, "runs.jsonl");
        if (isReused && File.Exists(file))
            foreach (var record in File.ReadLines(file).Select(Parse).OfType<RunRecord>().Where(record => record.Data == data))
                finished[record.Request] = record.Report;
    }

    private static string Version { get; } =
        typeof(ILowRankStrategy).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";

    /// <value>Runs that need not be done again.</value>
    public int Count => finished.Count;

    /// <summary>What <paramref name="request"/> came to earlier; null where it has not been finished.</summary>
    public RunOutcome? Find(RunRequest request) => finished.TryGetValue(request, out var report) ? RunOutcome.Of(request.Seed, report) : null;

    /// <summary>Keeps the outcome of <paramref name="request"/>, if it came to its end. What cannot be written is done again another time.</summary>
    public void Keep(RunRequest request, RunOutcome outcome)
    {
        if (outcome.Report is not { Completed: true } report)
            return;

        finished[request] = report;
        var record = new RunRecord(request, data, Version, DateOnly.FromDateTime(DateTime.UtcNow), report, RunOrigin.Here);
        var line = JsonSerializer.Serialize(record, Format) + "\n";
        try
        {
            using var stream = new FileStream(file, FileMode.Append, FileAccess.Write, FileShare.ReadWrite);
            stream.Write(Encoding.UTF8.GetBytes(line));
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
        }
    }

    /// <returns>Null for a line that a killed program has left unfinished.</returns>
    private static RunRecord? Parse(string line)
    {
        try
        {
            return JsonSerializer.Deserialize<RunRecord>(line, Format);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
