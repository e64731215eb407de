using LanguageModel.Model;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LanguageModel.Methods;

/// <summary>The methods that the samples can train with.</summary>
public static class AllMethods
{
    /// <value>Every method; the first is what the others are measured against.</value>
    public static IReadOnlyList<Method> List { get; } =
    [
        new("adamw", "AdamW", 1e-3, AdamW),
    ];

    /// <summary>The method named <paramref name="name"/>, in any case.</summary>
    /// <exception cref="UserException">No method has that name; the message lists those that exist.</exception>
    public static Method Find(string name) =>
        List.FirstOrDefault(method => method.Name.Equals(name, StringComparison.OrdinalIgnoreCase))
        ?? throw new UserException($"There is no method '{name}'. Choose one of: {string.Join(", ", List.Select(method => method.Name))}.");

    private static AttachedMethod AdamW(Llama model, MethodSettings settings)
    {
        var optimizer = optim.AdamW(model.parameters(), lr: settings.LearningRate);
        return new AttachedMethod(optimizer, _ => optim.lr_scheduler.LambdaLR(optimizer, step => Math.Min(1, step / 50.0)), () => AdamWStateBytes(optimizer), () => 0);
    }

    private static long AdamWStateBytes(OptimizerHelper optimizer) => optimizer.state_dict().State
        .OfType<AdamW.State>().SelectMany(state => new[] { state.exp_avg, state.exp_avg_sq }).OfType<Tensor>().Sum(moment => moment.numel() * moment.element_size());
}
