using TorchSharp.Modules;

namespace LowRankTraining.Strategies;

/// <summary>Flora in TorchSharp's dialect: an optimizer to put where another one stands.</summary>
public static class Flora
{
    /// <summary>Adafactor with momentum in a random sketch of <paramref name="rank"/> columns.</summary>
    /// <param name="named_parameters">The model's <c>named_parameters()</c>. Of matrices the momentum is sketched; of embeddings, the output head (names containing "embed" or "lm_head") and vectors it is kept whole.</param>
    /// <param name="lr">Learning rate, relative to the size of each weight where <paramref name="scale_parameter"/> is set. Default 1e-2.</param>
    /// <param name="rank">Columns of the sketch. Default 128.</param>
    /// <param name="kappa">Steps between two sketches. Default 1000 (Flora).</param>
    /// <param name="beta1">Decay of the momentum. Default 0.9; with 0 nothing is sketched.</param>
    /// <param name="clip_threshold">Largest root mean square of an update. Default 1 (Adafactor).</param>
    /// <param name="scale_parameter">Whether steps are relative to the weight's root mean square. Default true (Flora).</param>
    /// <param name="weight_decay">Decoupled weight decay, relative too. Default 0, as in TorchSharp.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public static LowRankOptimizer Adafactor(
        IEnumerable<(string name, Parameter parameter)> named_parameters,
        double lr = 1e-2, int rank = 128, long kappa = 1000, double beta1 = 0.9, double clip_threshold = 1, bool scale_parameter = true, double weight_decay = 0)
    {
        var options = new FloraOptions { Rank = rank, ResampleEvery = kappa, Beta1 = beta1, Adafactor = new() { ClipThreshold = clip_threshold, ScaleParameter = scale_parameter } };
        return new FloraStrategy(options).Attach(named_parameters).CreateOptimizer(lr, weight_decay);
    }

    /// <summary>Adafactor with momentum in a random sketch. Without names every parameter of two or more dimensions is sketched, embeddings too: prefer <c>named_parameters()</c>.</summary>
    /// <inheritdoc cref="Adafactor(IEnumerable{ValueTuple{string, Parameter}}, double, int, long, double, double, bool, double)"/>
    public static LowRankOptimizer Adafactor(
        IEnumerable<Parameter> parameters,
        double lr = 1e-2, int rank = 128, long kappa = 1000, double beta1 = 0.9, double clip_threshold = 1, bool scale_parameter = true, double weight_decay = 0) =>
        Adafactor(NamedParameter.Numbered(parameters), lr, rank, kappa, beta1, clip_threshold, scale_parameter, weight_decay);
}
