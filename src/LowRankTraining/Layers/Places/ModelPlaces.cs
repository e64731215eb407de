namespace LowRankTraining.Layers;

/// <summary>Finds parameters again by where they stand in a model: to move a model is to make new ones.</summary>
internal static class ModelPlaces
{
    /// <summary>The parameter that stands there now, or null.</summary>
    public static Parameter? At(this nn.Module model, string name) =>
        model.get_parameter(name) ?? model.named_parameters().FirstOrDefault(pair => pair.name == name).parameter;

    /// <summary>The same plans for the parameters that the model has now. One whose place is gone stays as it is.</summary>
    public static IReadOnlyList<ParameterPlan> In(this IReadOnlyList<ParameterPlan> plans, nn.Module model) =>
        [.. plans.Select(plan => model.At(plan.Name) is { } parameter && !ReferenceEquals(parameter, plan.Parameter)
            ? plan with { Parameter = parameter }
            : plan)];
}
