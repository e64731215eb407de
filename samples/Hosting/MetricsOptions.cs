namespace Hosting;

/// <summary>The section "Metrics".</summary>
internal sealed class MetricsOptions
{
    /// <value>Seconds between two times that metrics are written to the console.</value>
    public int ExportEverySeconds { get; set; } = 10;
}
