namespace LowRankTraining.Parts;

/// <summary>A tensor that a rule keeps: a moving average of a power of the gradient, or anything else.</summary>
/// <param name="Name">Its name in the <see cref="StateBag"/>.</param>
/// <param name="Order">1 for an average of the gradient, 2 for an average of its square, 0 for what is no moment.</param>
/// <param name="Decay">β: at step t the average holds 1 − βᵗ of its full weight; 0 where it always holds all of it.</param>
public readonly record struct MomentSlot(string Name, int Order, double Decay = 0)
{
    /// <value>How it is stored. Default: float32.</value>
    public StateFormat Format { get; init; } = StateFormat.Float32;

    /// <value>Whether a slot of order 1 averages the gradient itself, and not steps made from it, whose size says nothing of the gradient's. Default:
    /// true.</value>
    public bool AveragesGradient { get; init; } = true;

    /// <value>The counter of the updates that it averages. Default: "step".</value>
    public string StepCounter { get; init; } = AdamRule.Clock;

    /// <value>Whether it is a moment.</value>
    public bool IsMoment => Order > 0;

    /// <summary>The value in computing precision, in the shape of <paramref name="gradient"/>; zero before the first <see cref="Write"/>.</summary>
    /// <returns>Not to be disposed: the stored tensor itself, or a temporary of the current dispose scope.
    /// Change it in place, then <see cref="Write"/> it.</returns>
    public Tensor Read(StateBag state, Tensor gradient) => Format.Read(state, this, new TensorKind(gradient));

    /// <summary>Stores the value.</summary>
    public void Write(StateBag state, Tensor value, in StepContext step) => Format.Write(state, this, value, step);

    /// <summary>Whether anything has been stored.</summary>
    public bool IsIn(StateBag state) => Format.Holds(state, this);

    /// <summary>Frees the value.</summary>
    public void Remove(StateBag state) => Format.Remove(state, this);

    /// <summary>The share of its full weight that the average holds after the steps counted in <paramref name="state"/>: 1 − βᵗ.</summary>
    public double Weight(StateBag state)
    {
        var steps = state.Counter(StepCounter);
        return steps == 0 || Decay == 0 ? 1 : 1 - Math.Pow(Decay, steps);
    }

    /// <summary>What it takes in the memory of a parameter, or of a subspace, of this shape.</summary>
    public IEnumerable<StateSlot> SlotsFor(IReadOnlyList<long> shape) => Format.SlotsFor(Name, shape.Elements());

    /// <summary>The moment in the processor's own memory, made where there is none; null where it lies elsewhere or cannot be had in pieces.</summary>
    internal HostMoment? OnHost(StateBag state, in TensorKind like) => Format.OnHost(state, this, like);

    internal Tensor Read(StateBag state, in TensorKind like) => Format.Read(state, this, like);

    /// <summary>Replaces the value between two steps by what is made of it, perhaps in place. Nothing happens where there is none.</summary>
    internal void Change(StateBag state, in TensorKind like, in StepContext step, Func<Tensor, Tensor> change)
    {
        using var scope = NewDisposeScope();
        if (IsIn(state))
            Write(state, change(Read(state, like)), step);
    }
}
