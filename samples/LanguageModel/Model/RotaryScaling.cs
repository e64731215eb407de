namespace LanguageModel.Model;

/// <summary>Stretches rotary wavelengths, so that a model can read further than it was first trained to.</summary>
public abstract record RotaryScaling
{
    /// <summary>The frequency to turn by, in place of <paramref name="frequency"/>, both in radians per position.</summary>
    public abstract double Of(double frequency);
}

/// <summary>All wavelengths by one factor.</summary>
/// <param name="Factor">How many times longer; at least 1.</param>
/// <remarks>Source: Chen et al., Extending context window of large language models via position interpolation, arXiv 2306.15595.</remarks>
public sealed record LinearRotaryScaling(double Factor) : RotaryScaling
{
    /// <inheritdoc/>
    public override double Of(double frequency) => frequency / Factor;
}

/// <summary>Long wavelengths by the factor, short ones not at all, and those in between by something in between: that of Llama 3.1.</summary>
/// <param name="Factor">How many times longer; at least 1.</param>
/// <param name="LowFactor">Wavelengths above context / LowFactor are long.</param>
/// <param name="HighFactor">Wavelengths below context / HighFactor are short; above <paramref name="LowFactor"/>.</param>
/// <param name="Context">Longest sequence first trained on, in tokens.</param>
public sealed record Llama3RotaryScaling(double Factor, double LowFactor, double HighFactor, double Context) : RotaryScaling
{
    /// <inheritdoc/>
    public override double Of(double frequency)
    {
        var turns = Context * frequency / (2 * Math.PI);
        var share = Math.Clamp((turns - LowFactor) / (HighFactor - LowFactor), 0, 1);
        return (1 - share) * frequency / Factor + share * frequency;
    }
}
