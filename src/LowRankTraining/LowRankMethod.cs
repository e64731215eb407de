namespace LowRankTraining;

/// <summary>A method by its name: one row of <see cref="LowRankStrategies.All"/>.</summary>
/// <param name="Name">Short lower-case name, that of <see cref="ILowRankStrategy.Name"/>.</param>
/// <param name="Create">Makes the method as it is by default.</param>
/// <param name="Summary">What it does, in one sentence.</param>
public sealed record LowRankMethod(string Name, Func<ILowRankStrategy> Create, string Summary);
