using System.Text;
using LanguageModel;
using LowRankTraining.Checkpoints;

namespace Compare.Report;

/// <summary>The files of a comparison: <c>report.html</c>, <c>results.md</c> and <c>results.json</c>, written again whenever there is more to say.</summary>
internal sealed class ReportFiles(string folder)
{
    private string Results => Path.Combine(folder, "results.json");

    private string Table => Path.Combine(folder, "results.md");

    /// <value>Where the report is.</value>
    public string Report => Path.GetFullPath(Path.Combine(folder, "report.html"));

    /// <summary>Makes the folder, and finds out whether the files can be written while nothing is lost yet.</summary>
    /// <exception cref="UserException">They cannot.</exception>
    public void Prepare()
    {
        try
        {
            Directory.CreateDirectory(folder);
            if (new[] { Report, Results, Table }.FirstOrDefault(Directory.Exists) is { } taken)
                throw new IOException($"{Path.GetFileName(taken)} is a folder there.");

            var probe = Path.Combine(folder, $".{Guid.NewGuid():N}.tmp");
            File.WriteAllText(probe, "");
            File.Delete(probe);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new UserException($"The report cannot be written to {folder}: {failure.Message} Name another folder with --out.");
        }
    }

    /// <summary>Writes the files; each is replaced as a whole.</summary>
    public void Write(Findings findings)
    {
        Replace(Report, ReportPage.Render(findings));
        Replace(Table, ResultsMarkdown.Render(findings));
        Replace(Results, ResultsFile.Render(findings));
    }

    /// <summary>Like <see cref="Write"/>, for a comparison that is not done: what cannot be written now is tried again later.</summary>
    public void TryWrite(Findings findings)
    {
        try
        {
            Write(findings);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
        }
    }

    private static void Replace(string file, string text) => AtomicFile.Write(file, stream => stream.Write(Encoding.UTF8.GetBytes(text)));
}
