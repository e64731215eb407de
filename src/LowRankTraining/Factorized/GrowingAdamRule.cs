using LowRankTraining.Rules;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Factorized;

/// <summary>Adam for a factor whose rank changes: every rank-one part has a clock of its own.</summary>
/// <param name="Adam">Its numbers.</param>
/// <param name="Dimension">Which dimension of the factor is the rank: 0 for V, 1 for U.</param>
/// <remarks>State: <c>exp_avg</c>, <c>exp_avg_sq</c> in the factor's shape; <c>ages</c>, the steps that each part has taken, as many as the rank. A part that joins late starts as any parameter does at its first step,
/// not with moments of zero that are taken for long averages.</remarks>
internal sealed record GrowingAdamRule(AdamRule Adam, int Dimension) : IUpdateRule, IStateLayout
{
    private const string Mean = "exp_avg", Square = "exp_avg_sq", Ages = "ages";

    public void AddUpdate(Tensor gradient, Tensor accumulator, double scale, StateBag state, in StepContext step)
    {
        if (!step.Accepts(gradient))
            return;

        using var scope = NewDisposeScope();
        var (mean, square) = (state.ZerosLike(Mean, gradient), state.ZerosLike(Square, gradient));
        var parts = gradient.shape[Dimension];
        var ages = state.GetOrAdd(Ages, () => zeros(parts, ScalarType.Float32, gradient.device)).add_(1);

        mean.mul_(Adam.Beta1).add_(gradient, 1 - Adam.Beta1);
        square.mul_(Adam.Beta2).addcmul_(gradient, gradient, 1 - Adam.Beta2);

        // c · M / (√V + ε √(1 − β₂ᵗ)) with c = √(1 − β₂ᵗ) / (1 − β₁ᵗ), each part with its own t.
        var weight = Across(Weight(ages, Adam.Beta2)).sqrt();
        var root = square.sqrt().add_(weight * Adam.Epsilon);
        accumulator.addcdiv_(mean * (weight / Across(Weight(ages, Adam.Beta1))), root, scale);
    }

    /// <summary>Makes room for parts that join.</summary>
    public void Append(StateBag state, long parts)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        foreach (var (name, dimension) in new[] { (Mean, Dimension), (Square, Dimension), (Ages, 0) })
            if (state.TryGet(name, out var old))
            {
                var shape = old.shape;
                shape[dimension] = parts;
                state.Set(name, cat([old, zeros(shape, old.dtype, old.device)], dimension));
            }
    }

    /// <summary>Carries the moments over to other parts, of which each gradient is a mixture of the old ones' gradients: M ← C M and V ← (C ∘ C) V along the rank. All parts are then as old as the oldest was.</summary>
    /// <param name="state">The factor's memory.</param>
    /// <param name="mixture">C, new parts × old parts.</param>
    public void Turn(StateBag state, Tensor mixture)
    {
        if (!state.TryGet(Ages, out var ages))
            return;

        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var oldest = ages.max().expand(mixture.shape[0]).clone();
        foreach (var (name, beta, map) in new[] { (Mean, Adam.Beta1, mixture), (Square, Adam.Beta2, mixture.square()) })
        {
            // A part that has never stepped holds zeros, whatever its weight.
            var catchUp = Weight(ages.max(), beta) / Weight(ages.clamp_min(1), beta);
            var old = state[name] * Across(catchUp);
            state.Set(name, Dimension == 0 ? map.to(old.dtype).mm(old) : old.mm(map.to(old.dtype).t()));
        }

        state.Set(Ages, oldest);
    }

    public string LayoutFor(IReadOnlyList<long> shape) => $"Adam, a clock for each of dimension {Dimension}";

    public long BytesFor(IReadOnlyList<long> shape) => ((IStateLayout)Adam).BytesFor(shape) + sizeof(float) * shape[Dimension];

    /// <summary>1 − βᵗ, without cancellation at the first steps.</summary>
    private static Tensor Weight(Tensor ages, double beta) => beta == 0 ? ones_like(ages) : ages.mul(Math.Log(beta)).expm1().neg();

    private Tensor Across(Tensor perPart) => Dimension == 0 ? perPart.unsqueeze(1) : perPart.unsqueeze(0);
}
