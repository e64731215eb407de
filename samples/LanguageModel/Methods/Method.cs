using LanguageModel.Model;
using Microsoft.Extensions.Options;

namespace LanguageModel.Methods;

/// <summary>A way to train, by name.</summary>
/// <param name="Name">What it is asked for by.</param>
/// <param name="Title">What it is called in tables.</param>
/// <param name="LearningRate">Its usual learning rate on these models.</param>
/// <param name="Create">Makes its optimizer and schedule for a model, and may change the model.</param>
public sealed record Method(string Name, string Title, double LearningRate, Func<Llama, MethodSettings, AttachedMethod> Create)
{
    /// <summary>Puts the method to work on <paramref name="model"/>.</summary>
    /// <exception cref="UserException">The method refuses these settings.</exception>
    public AttachedMethod AttachTo(Llama model, MethodSettings settings)
    {
        try
        {
            return Create(model, settings);
        }
        catch (Exception refusal) when (refusal is OptionsValidationException or ArgumentException or InvalidOperationException or NotSupportedException)
        {
            throw new UserException(refusal.Message);
        }
    }
}
