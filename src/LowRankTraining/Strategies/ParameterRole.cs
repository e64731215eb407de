namespace LowRankTraining.Strategies;

/// <summary>One parameter, and what a method has to do with it.</summary>
/// <param name="Name">Its name in the model.</param>
/// <param name="Parameter">The parameter.</param>
/// <param name="IsTarget">Whether the method is for it.</param>
/// <param name="IsTable">Whether it is the table of an embedding, known by its module, or in a list of parameters by "embed" in its name.</param>
/// <param name="Place">Its place among the targets, from 0; 0 for what is none.</param>
public readonly record struct ParameterRole(string Name, Parameter Parameter, bool IsTarget, bool IsTable, int Place);
