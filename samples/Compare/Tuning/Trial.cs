namespace Compare.Tuning;

/// <summary>A learning rate that was tried.</summary>
/// <param name="LearningRate">The rate.</param>
/// <param name="Perplexity">Validation perplexity at the end of the trial; not a finite number where the training fell apart.</param>
internal readonly record struct Trial(double LearningRate, double Perplexity)
{
    /// <value>Whether the trial gave a number to compare.</value>
    public bool IsUsable => double.IsFinite(Perplexity);
}
