using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Battery.Grid;

/// <summary>What a model is made of, without the numbers.</summary>
/// <param name="Modules">Types and names, in order.</param>
/// <param name="Parameters">Names and whether they are trained, in order.</param>
/// <param name="State">The names in its file.</param>
internal sealed record Anatomy(string[] Modules, string[] Parameters, string[] State)
{
    public static Anatomy Of(nn.Module model) => new(
        [.. model.named_modules().Select(pair => $"{pair.name}: {pair.module.GetType().Name}")],
        [.. model.named_parameters().Select(pair => $"{pair.name}: {(pair.parameter.requires_grad ? "trained" : "frozen")}")],
        [.. model.state_dict().Keys]);
}
