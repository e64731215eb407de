using LowRankTraining.Rules;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Adapters;

/// <summary>Adam in which each vector of a factor, a row of A or a column of B, has a step counter of its own and can be held still for a while.</summary>
/// <remarks>State: <c>exp_avg</c>, <c>exp_avg_sq</c>; <c>vector_steps</c> and <c>frozen</c> (steps still to be held), one number for each vector. A vector that is held still has no moments and gets none.</remarks>
/// <param name="Adam">Its numbers.</param>
/// <param name="Axis">0 where the vectors are rows, 1 where they are columns.</param>
internal sealed record RowAdamRule(AdamRule Adam, int Axis) : IUpdateRule, IStateLayout
{
    private const string Mean = "exp_avg", Square = "exp_avg_sq", Clock = "vector_steps", Frozen = "frozen";

    public void AddUpdate(Tensor gradient, Tensor accumulator, double scale, StateBag state, in StepContext step)
    {
        if (!step.Accepts(gradient))
            return;

        using var scope = NewDisposeScope();
        var (mean, square) = (state.ZerosLike(Mean, gradient), state.ZerosLike(Square, gradient));
        var (clock, frozen) = (PerVector(Clock, gradient, state), PerVector(Frozen, gradient, state));

        var active = frozen.eq(0);
        frozen.sub_(1).clamp_min_(0);
        clock.add_(active);

        var felt = gradient * active;
        mean.mul_(Adam.Beta1).add_(felt, 1 - Adam.Beta1);
        square.mul_(Adam.Beta2).addcmul_(felt, felt, 1 - Adam.Beta2);

        var t = clock.clamp_min(1);
        var (bias1, bias2) = (1 - Power(Adam.Beta1, t), (1 - Power(Adam.Beta2, t)).sqrt());
        accumulator.addcdiv_(mean * (bias2 / bias1), square.sqrt() + bias2 * Adam.Epsilon, scale);
    }

    /// <summary>Holds vectors still for so many steps, without any memory of their past.</summary>
    public void Hold(StateBag state, Tensor factor, Tensor indices, long steps)
    {
        foreach (var moment in new[] { Mean, Square })
            if (state.TryGet(moment, out var values))
                values.index_fill_(Axis, indices, 0);
        PerVector(Clock, factor, state).index_fill_(Axis, indices, 0);
        PerVector(Frozen, factor, state).index_fill_(Axis, indices, steps);
    }

    public string LayoutFor(IReadOnlyList<long> shape) => $"{((IStateLayout)Adam).LayoutFor(shape)}, a step counter for each {(Axis == 0 ? "row" : "column")}";

    public long BytesFor(IReadOnlyList<long> shape) => ((IStateLayout)Adam).BytesFor(shape) + StateFormat.Float32.BytesFor(2 * shape[Axis]);

    private Tensor PerVector(string name, Tensor factor, StateBag state) => state.GetOrAdd(name, () => Axis == 0
        ? zeros(factor.shape[0], 1, ScalarType.Float32, factor.device)
        : zeros(1, factor.shape[1], ScalarType.Float32, factor.device));

    private static Tensor Power(double decay, Tensor steps) => (steps * Math.Log(decay)).exp();
}
