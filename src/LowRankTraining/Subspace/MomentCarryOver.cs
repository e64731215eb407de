using LowRankTraining.Rules;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Subspace;

/// <summary>What becomes of the moments when the subspace changes under them.</summary>
public abstract record MomentCarryOver
{
    /// <value>They stay as they are, read in the new basis. The authors' code of GaLore and Fira.</value>
    public static MomentCarryOver Keep { get; } = new KeepMoments();

    /// <value>They start from zero, and so does bias correction.</value>
    public static MomentCarryOver Reset { get; } = new ResetMoments();

    /// <value>They follow the change of basis: M ← C M and V ← (C ∘ C) V with C = P_newᵀ P_old, so that V stays non-negative.</value>
    public static MomentCarryOver Rotate { get; } = new RotateMoments();

    /// <summary>Carries the moments of <paramref name="inner"/> over from one basis to the next.</summary>
    public abstract void Apply(IDirectionRule inner, StateBag state, Projection from, Projection to);

    private sealed record KeepMoments : MomentCarryOver
    {
        public override void Apply(IDirectionRule inner, StateBag state, Projection from, Projection to) { }
    }

    private sealed record ResetMoments : MomentCarryOver
    {
        public override void Apply(IDirectionRule inner, StateBag state, Projection from, Projection to) => inner.Reset(state);
    }

    private sealed record RotateMoments : MomentCarryOver
    {
        public override void Apply(IDirectionRule inner, StateBag state, Projection from, Projection to)
        {
            using var scope = NewDisposeScope();
            var left = Overlap(from.Left, to.Left);
            var right = Overlap(from.Right, to.Right);

            foreach (var slot in inner.Moments)
                if (state.TryGet(slot.Name, out var moment))
                    moment.copy_(Turn(moment, Power(left, slot.Order), Power(right, slot.Order)));
        }

        private static Tensor? Overlap(Tensor? from, Tensor? to) => from is null ? null : to!.t().mm(from);

        private static Tensor? Power(Tensor? overlap, int order) => order == 2 ? overlap?.square() : overlap;

        private static Tensor Turn(Tensor moment, Tensor? left, Tensor? right)
        {
            var turned = left is null ? moment : left.mm(moment);
            return right is null ? turned : turned.mm(right.t());
        }
    }
}
