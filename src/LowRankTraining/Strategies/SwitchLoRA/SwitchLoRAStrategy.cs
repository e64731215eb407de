using LowRankTraining.Adapters;

namespace LowRankTraining.Strategies;

/// <summary>SwitchLoRA: trains low-rank factors beside frozen weights, and exchanges their vectors one by one for new ones, so that the sum reaches a high rank without restarts.</summary>
/// <remarks>
/// <para>y = x (W + s B A)ᵀ with s = α/r. Both factors start random and W ← W − s B A, so that the function is the given one. After a step, some rows aᵢ of A are exchanged, and as many columns bⱼ of B:
/// W ← W + s bᵢ (aᵢ − aᵢ′)ᵀ, which keeps the function. The gradient of bᵢ depends on aᵢ, so its moments and its step counter start anew, and it is held still for a few steps.</para>
/// <para>After t steps ⌊Σ r qᵘ / I⌋ vectors of each factor have been exchanged, in turn.</para>
/// <para>State of an adapted m × n matrix: 2 r (m + n) + 4 r numbers, beside r (m + n) for the factors. An exchange has no scratch of the size of a float32 weight.</para>
/// <para>Differences from the authors' code: candidates are drawn by key when they are needed, where there is a pool of min(m, n) vectors in main memory that takes back what is exchanged; the vectors take turns,
/// and their number is the running sum, where it is rounded at random at each step.</para>
/// <para>Source: Zhou et al., SwitchLoRA, arXiv 2406.06564.</para>
/// </remarks>
public sealed class SwitchLoRAStrategy : WeightSpaceStrategy<SwitchLoRA>
{
    /// <summary>Defines the method.</summary>
    /// <param name="options">The defaults when null.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public SwitchLoRAStrategy(SwitchLoRA? options = null) : base("switchlora", new SwitchLoRAOptionsValidator().Require(options ?? new())) { }

    private protected override AdapterMethod Method => new SwitchLoRAMethod(AdapterRecipe.Of(Name, Options) with { Switching = Switching }, Options);

    private Switching Switching => new(
        Options.SwitchInterval, Options.TotalSteps is { } total ? Math.Pow(Options.SwitchDecay, 10.0 / total) : 1, Options.HoldSteps);
}
