using System.Runtime.CompilerServices;

namespace LowRankTraining.Parts;

/// <summary>How a tensor of optimizer state is stored between steps, apart from the rule that uses it.</summary>
/// <remarks>Arithmetic is in float32 whatever the format (float64 for float64 parameters): a rule reads a slot, computes, and writes it back.</remarks>
public abstract record StateFormat : IPart
{
    private protected StateFormat() { }

    /// <value>As it is: 4 bytes per number, 8 for float64 parameters. Nothing is converted.</value>
    public static StateFormat Float32 { get; } = new FullPrecision();

    /// <value>bfloat16: 2 bytes per number. Moments are rounded stochastically: with β₂ = 0.999 rounding to nearest would never let a second
    /// moment fall.</value>
    public static StateFormat BFloat16 { get; } = new HalfPrecision();

    /// <value>Block-wise 8 bits: 1.016 bytes per number.</value>
    [Kind("8bit")]
    public static BlockwiseFormat Blockwise8Bit { get; } = new(8, 256);

    /// <value>Block-wise 8 bits, companded: 1.0625 bytes per number.</value>
    [Kind("8bit-companded")]
    public static BlockwiseFormat Companded8Bit { get; } = new(8, 64, companded: true);

    /// <value>Block-wise 4 bits: 0.53 bytes per number.</value>
    [Kind("4bit")]
    public static BlockwiseFormat Blockwise4Bit { get; } = new(4, 128);

    /// <value>Affine 4 bits: 0.52 bytes per number. For bases.</value>
    public static AffineFormat Affine4Bit { get; } = new();

    /// <value>Whether moments may be stored in it, and not only bases.</value>
    internal virtual bool FitsMoments => true;

    /// <value>Whether changes much smaller than the numbers are kept: what is moved a little at every step comes to move at all.</value>
    internal virtual bool KeepsSmallMoves => true;

    /// <inheritdoc/>
    public virtual void Check(Checks checks) { }

    /// <summary>The stored tensor in computing precision: the stored tensor itself where nothing has to be converted,
    /// else a temporary of the current dispose scope.</summary>
    /// <param name="state">The parameter's memory.</param>
    /// <param name="slot">What is read.</param>
    /// <param name="like">Shape, dtype and device of the tensor; it is zero where nothing has been stored.</param>
    internal abstract Tensor Read(StateBag state, MomentSlot slot, in TensorKind like);

    /// <summary>Stores <paramref name="value"/>. Where it is the stored tensor itself, nothing happens.</summary>
    internal abstract void Write(StateBag state, MomentSlot slot, Tensor value, in StepContext step);

    /// <summary>The stored tensor of a parameter in the processor's own memory, made of zeros where there is none.</summary>
    /// <returns>Null where it is not float32, or changes in ways that no piece can by itself.</returns>
    internal virtual HostMoment? OnHost(StateBag state, MomentSlot slot, in TensorKind like) => null;

    /// <summary>Whether tensors of so many numbers come back as they were stored.</summary>
    internal virtual bool IsExact(long elements) => false;

    internal virtual bool Holds(StateBag state, MomentSlot slot) => state.TryGet(slot.Name, out _);

    internal virtual void Remove(StateBag state, MomentSlot slot) => state.Remove(slot.Name);

    /// <summary>Bytes of a stored tensor of so many numbers of a float32 or half-precision parameter.</summary>
    internal abstract long BytesFor(long elements);

    /// <summary>The slots of a stored tensor of so many numbers.</summary>
    internal virtual IEnumerable<StateSlot> SlotsFor(string name, long elements) => [new(name) { Bytes = BytesFor(elements), IsCoded = !IsExact(elements) }];

    private sealed record FullPrecision : StateFormat
    {
        internal override Tensor Read(StateBag state, MomentSlot slot, in TensorKind like)
        {
            if (!state.TryGet(slot.Name, out var stored))
                state.Set(slot.Name, stored = like.Zeros());
            return stored;
        }

        internal override void Write(StateBag state, MomentSlot slot, Tensor value, in StepContext step) => state.Set(slot.Name, value);

        internal override HostMoment? OnHost(StateBag state, MomentSlot slot, in TensorKind like)
        {
            var stored = Read(state, slot, like);
            return stored.IsSingle() ? new HostMoment(stored) : null;
        }

        internal override bool IsExact(long elements) => true;

        internal override long BytesFor(long elements) => 4 * elements;

        public override string ToString() => "float32";
    }

    private sealed record HalfPrecision : StateFormat
    {
        internal override Tensor Read(StateBag state, MomentSlot slot, in TensorKind like) =>
            state.TryGet(slot.Name, out var stored) ? stored.to(like.Computing) : like.Zeros();

        internal override void Write(StateBag state, MomentSlot slot, Tensor value, in StepContext step)
        {
            if (!slot.IsMoment)
            {
                state.Set(slot.Name, value.to(ScalarType.BFloat16));
                return;
            }

            if (!state.TryGet(slot.Name, out var stored) || !stored.shape.SequenceEqual(value.shape))
                state.Set(slot.Name, stored = empty(value.shape, ScalarType.BFloat16, value.device));
            using var generator = step.Generator(slot.Name);
            using var single = value.to(ScalarType.Float32);
            StochasticRounding.Copy(single, stored, generator);
        }

        internal override long BytesFor(long elements) => 2 * elements;

        public override string ToString() => "bfloat16";
    }
}

/// <summary>Shape, dtype and device of a tensor that need not exist yet: those of another, with a shape of its own where that is given.</summary>
/// <remarks>Nothing is asked for that nobody needs.</remarks>
internal readonly record struct TensorKind(Tensor Like, long[]? Own = null)
{
    public long[] Shape => Own ?? Like.shape;

    public long Elements => Own?.Elements() ?? Like.numel();

    public Device Device => Like.device;

    /// <value>float64 beside float64, float32 beside anything else.</value>
    public ScalarType Computing => Like.dtype.Computing();

    public Tensor Zeros() => zeros(Shape, Computing, Device);
}

/// <summary>The word for a value of its own name in the text form of methods, where it is not the name of the property: "8bit".</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class KindAttribute(string name) : Attribute
{
    public string Name => name;
}

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

/// <summary>Checks of the formats that tensors of state are stored in.</summary>
internal static class FormatChecks
{
    /// <summary>A format that moments can be stored in.</summary>
    public static Checks Moments(this Checks checks, StateFormat? format, [CallerArgumentExpression(nameof(format))] string option = "") => checks
        .Format(format, option)
        .Require(format is null or { FitsMoments: true },
            $"{checks.PathOf(option)} is {nameof(StateFormat.Affine4Bit)}, which is for bases: moments that it rounds to zero would make steps of any size. " +
            $"Use {nameof(StateFormat)}.{nameof(StateFormat.Blockwise4Bit)}.");

    /// <summary>The same, where there may be none.</summary>
    public static Checks OptionalMoments(this Checks checks, StateFormat? format, [CallerArgumentExpression(nameof(format))] string option = "") =>
        format is null ? checks : checks.Moments(format, option);

    /// <summary>A format that a basis can be stored in.</summary>
    public static Checks Format(this Checks checks, StateFormat? format, [CallerArgumentExpression(nameof(format))] string option = "") => format is null
        ? checks.Require(false, $"{checks.PathOf(option)} is null: use {nameof(StateFormat)}.{nameof(StateFormat.Float32)} or another format.")
        : checks.Part(format, option);
}
