namespace LowRankTraining.Parts;

/// <summary>B ← μB + (1 − μ)G, for rules that step along it; G itself where μ is 0, and then nothing is kept.</summary>
/// <param name="Decay">μ.</param>
/// <param name="Format">How B is stored.</param>
internal readonly record struct AveragedGradient(double Decay, StateFormat Format)
{
    public IReadOnlyList<MomentSlot> Moments => Decay > 0 ? [Buffer] : [];

    public string? StepCounter => Decay > 0 ? AdamRule.Clock : null;

    private MomentSlot Buffer => new("momentum_buffer", 1, Decay) { Format = Format };

    /// <summary>Takes a gradient in.</summary>
    /// <returns>B, in the scope of the caller.</returns>
    public Tensor Take(Tensor gradient, StateBag state, in StepContext step)
    {
        if (Decay == 0)
            return gradient.Widened();

        state.Advance(AdamRule.Clock);
        var mean = Buffer.Read(state, gradient).mul_(Decay).add_(gradient, 1 - Decay);
        Buffer.Write(state, mean, step);
        return mean;
    }
}
