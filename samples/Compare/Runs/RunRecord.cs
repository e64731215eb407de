using LanguageModel.Training;

namespace Compare.Runs;

/// <summary>A finished run, as it is kept: a line of <c>runs.jsonl</c>.</summary>
/// <param name="Request">What was asked for.</param>
/// <param name="Data">Hash of the text.</param>
/// <param name="Version">Version of the library that trained.</param>
/// <param name="Date">The day it ended, UTC.</param>
/// <param name="Report">What came out.</param>
/// <param name="Origin">Where it ran; null for runs from before that was noted.</param>
internal sealed record RunRecord(RunRequest Request, string Data, string Version, DateOnly Date, TrainingReport Report, RunOrigin? Origin = null);
