namespace Hosting;

/// <summary>The section "Worker".</summary>
internal sealed class WorkerOptions
{
    /// <value>Steps to train in all, over all starts.</value>
    public int Steps { get; set; } = 2000;

    /// <value>The folder of the checkpoint, from the current one.</value>
    public string Checkpoint { get; set; } = "run";
}
