using System.Text.Json.Serialization;
using LowRankTraining.Text;

namespace LowRankTraining.Schedules;

/// <summary>A learning rate over time, as a factor on each parameter group's own rate.</summary>
/// <remarks>A pure function: it keeps no position, so a resumed run asks for the same numbers.</remarks>
[JsonConverter(typeof(TextConverter<ILrSchedule>))]
public interface ILrSchedule : IPart
{
    /// <summary>The factor for the update that follows <paramref name="step"/> completed updates.</summary>
    /// <param name="step">Completed updates, from 0.</param>
    double Multiplier(long step);
}
