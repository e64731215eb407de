namespace LowRankTraining;

/// <summary>What a session may do to the optimizer's memory between steps.</summary>
public interface IOptimizerState
{
    /// <summary>The state of <paramref name="parameter"/>.</summary>
    /// <exception cref="ArgumentException">The optimizer does not handle this parameter.</exception>
    StateBag For(Parameter parameter);
}
