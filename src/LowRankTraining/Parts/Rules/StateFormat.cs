namespace LowRankTraining.Parts;

/// <summary>How a tensor of optimizer state is stored between steps, apart from the rule that uses it.</summary>
/// <remarks>Arithmetic is in float32 whatever the format (float64 for float64 parameters): a rule reads a slot, computes, and writes it back.</remarks>
public abstract record StateFormat : IPart
{
    private protected StateFormat() { }

    /// <value>As it is: 4 bytes a number, 8 for float64 parameters. Nothing is converted.</value>
    public static StateFormat Float32 { get; } = new FullPrecision();

    /// <value>bfloat16: 2 bytes a number. Moments are rounded stochastically: with β₂ = 0.999 rounding to nearest would never let a second moment fall.</value>
    public static StateFormat BFloat16 { get; } = new HalfPrecision();

    /// <value>Block-wise 8 bits: 1.016 bytes a number.</value>
    [Kind("8bit")]
    public static BlockwiseFormat Blockwise8Bit { get; } = new(8, 256);

    /// <value>Block-wise 8 bits, companded: 1.0625 bytes a number.</value>
    [Kind("8bit-companded")]
    public static BlockwiseFormat Companded8Bit { get; } = new(8, 64, companded: true);

    /// <value>Block-wise 4 bits: 0.53 bytes a number.</value>
    [Kind("4bit")]
    public static BlockwiseFormat Blockwise4Bit { get; } = new(4, 128);

    /// <value>Affine 4 bits: 0.52 bytes a number. For bases.</value>
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

    /// <summary>Whether the slot holds anything.</summary>
    internal virtual bool Holds(StateBag state, MomentSlot slot) => state.TryGet(slot.Name, out _);

    /// <summary>Frees the slot.</summary>
    internal virtual void Remove(StateBag state, MomentSlot slot) => state.Remove(slot.Name);

    /// <summary>Bytes of a stored tensor of so many numbers of a float32 or half-precision parameter.</summary>
    internal abstract long BytesFor(long elements);

    /// <summary>The slots of a stored tensor of so many numbers.</summary>
    internal virtual IEnumerable<StateSlot> SlotsFor(string name, long elements) => [new(name) { Bytes = BytesFor(elements) }];

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
            using var generator = step.Generator(slot.Name, value.device);
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
