using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Rules;

/// <summary>RMSProp, plain, centered or with momentum.</summary>
/// <remarks>
/// <para>V ← βV + (1 − β)G²; centered: Ḡ ← βḠ + (1 − β)G and V′ = V − Ḡ², else V′ = V; N = G / (√V′ + ε); with momentum μ: B ← μB + N and the update is B, else N.</para>
/// <para>State: <c>square_avg</c>, and where used <c>grad_avg</c> and <c>momentum_buffer</c>, float32, in the gradient's shape. No bias correction.</para>
/// <para>A zero or non-finite gradient changes nothing.</para>
/// <para>Source: Tieleman and Hinton, 2012; centered: Graves, arXiv 1308.0850. Fira's second inner rule (arXiv 2410.01623).</para>
/// </remarks>
public sealed record RmsPropRule : IDirectionRule
{
    private const string Square = "square_avg", Mean = "grad_avg", Buffer = "momentum_buffer";

    /// <value>β, decay of the averages, in [0, 1). Default 0.9 (Fira's code).</value>
    public double Beta { get; init; } = 0.9;

    /// <value>ε, in units of the gradient. Default 1e-8.</value>
    public double Epsilon { get; init; } = 1e-8;

    /// <value>μ, momentum on the normalised gradient, in [0, 1); 0 keeps no buffer. Default 0.</value>
    public double Momentum { get; init; }

    /// <value>Whether the variance is taken about the mean. Default false.</value>
    public bool Centered { get; init; }

    /// <inheritdoc/>
    public IReadOnlyList<MomentSlot> Moments
    {
        get
        {
            List<MomentSlot> slots = [new(Square, 2)];
            if (Centered)
                slots.Add(new(Mean, 1));
            if (Momentum > 0)
                slots.Add(new(Buffer, 1));
            return slots;
        }
    }

    /// <inheritdoc/>
    public void AddUpdate(Tensor gradient, Tensor accumulator, double scale, StateBag state, in StepContext step)
    {
        if (!step.Accepts(gradient))
            return;

        using var direction = Advance(gradient, state).Direction;
        accumulator.add_(direction, scale);
    }

    /// <inheritdoc/>
    public (Tensor Direction, double Correction) Advance(Tensor gradient, StateBag state)
    {
        using var scope = NewDisposeScope();

        var square = state.ZerosLike(Square, gradient);
        square.mul_(Beta).addcmul_(gradient, gradient, 1 - Beta);

        var direction = gradient / Variance(square, gradient, state).sqrt_().add_(Epsilon);
        if (Momentum > 0)
            direction = state.ZerosLike(Buffer, gradient).mul_(Momentum).add_(direction).clone();

        return (direction.MoveToOuterDisposeScope(), 1);
    }

    /// <inheritdoc/>
    public void Reset(StateBag state)
    {
        foreach (var slot in Moments)
            state.Remove(slot.Name);
    }

    private Tensor Variance(Tensor square, Tensor gradient, StateBag state)
    {
        if (!Centered)
            return square.clone();

        var mean = state.ZerosLike(Mean, gradient);
        mean.mul_(Beta).add_(gradient, 1 - Beta);
        return square.addcmul(mean, mean, -1);
    }
}
