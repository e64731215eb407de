using System.Diagnostics;
using TorchSharp;
using static TorchSharp.torch;

namespace LanguageModel.Training;

/// <summary>Times the phases of a step.</summary>
/// <remarks>A CUDA device works on its own; its queue is waited for at the end of each phase, so that a phase pays for its own work.</remarks>
public sealed class PhaseClock(Device device)
{
    private readonly List<double> samples = [];

    /// <value>Middle of the times measured, in milliseconds; 0 before the first.</value>
    public double MedianMilliseconds
    {
        get
        {
            if (samples.Count == 0)
                return 0;

            var sorted = samples.Order().ToArray();
            return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
        }
    }

    /// <value>Mean of the times measured, in milliseconds; 0 before the first.</value>
    public double MeanMilliseconds => samples.Count == 0 ? 0 : samples.Average();

    /// <summary>Runs and times <paramref name="phase"/>.</summary>
    public T Time<T>(Func<T> phase)
    {
        var start = Stopwatch.GetTimestamp();
        var result = phase();
        if (device.type == DeviceType.CUDA)
            cuda.synchronize(device);

        samples.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        return result;
    }

    /// <summary>Runs and times <paramref name="phase"/>.</summary>
    public void Time(Action phase) => Time(() =>
    {
        phase();
        return true;
    });
}
