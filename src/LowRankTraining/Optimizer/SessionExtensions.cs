namespace LowRankTraining;

/// <summary>From a session to an optimizer.</summary>
public static class SessionExtensions
{
    /// <summary>Makes the optimizer of a session, and hands the session over to it.</summary>
    /// <param name="session">A strategy at work on a model.</param>
    /// <param name="lr">Learning rate η, at least 0.</param>
    /// <param name="weight_decay">Decoupled weight decay λ, at least 0.</param>
    public static LowRankOptimizer CreateOptimizer(this ILowRankSession session, double lr = 1e-3, double weight_decay = 0) =>
        new(session, lr, weight_decay);

    /// <summary>Makes the optimizer of a session that trains one model together with other processes, each of which does the same; see
    /// <see cref="LowRankOptimizer(ILowRankSession, double, double, ICollective)"/>.</summary>
    /// <param name="session">A strategy at work on this process's model.</param>
    /// <param name="lr">Learning rate η, at least 0.</param>
    /// <param name="world">The processes.</param>
    /// <param name="weight_decay">Decoupled weight decay λ, at least 0.</param>
    /// <exception cref="InvalidOperationException">The processes differ in model, method, options, versions or weights.</exception>
    public static LowRankOptimizer CreateOptimizer(this ILowRankSession session, double lr, ICollective world, double weight_decay = 0) =>
        new(session, lr, weight_decay, world);
}
