namespace LowRankTraining.Parts;

/// <summary>Turns a gradient into an update of one parameter.</summary>
/// <remarks>What a rule can do beyond that is a member with a default: a rule that wraps another forwards all of them.</remarks>
public abstract record UpdateRule : IPart
{
    /// <value>β₁ and β₂, where the rule lets a schedule set them by <see cref="StepContext.Beta1"/> and <see cref="StepContext.Beta2"/>; else null.</value>
    public virtual (double Beta1, double Beta2)? Betas => null;

    /// <value>Whether it is for the matrices of layers only, so that vectors and the tables of embeddings need another rule. Default false.</value>
    public virtual bool NeedsMatrix => false;

    /// <inheritdoc/>
    public virtual void Check(Checks checks) { }

    /// <summary>accumulator += scale · update(gradient).</summary>
    /// <param name="gradient">The loss gradient, in the parameter's shape.</param>
    /// <param name="accumulator">The weight itself, or a float32 copy of a half-precision weight. Only ever added to, never read: the few rules whose update
    /// depends on the weight look at <see cref="StepContext.Weight"/>.</param>
    /// <param name="scale">Minus the learning rate. Decay is applied outside.</param>
    /// <param name="state">The parameter's memory; whatever the rule keeps is in it.</param>
    /// <param name="step">The step, which also tells whether the gradient can be used: see <see cref="StepContext.Accepts(Tensor, Tensor?)"/>.</param>
    public abstract void AddUpdate(Tensor gradient, Tensor accumulator, double scale, StateBag state, in StepContext step);

    /// <summary>The same rule with its moments stored in another format; a rule that has no such choice returns itself.</summary>
    public virtual UpdateRule WithStates(StateFormat states) => this;

    /// <summary>How the state is laid out, in a short description that is equal exactly where states are interchangeable: "Left subspace of rank 128 of 512".
    /// A checkpoint made with another layout is refused.</summary>
    /// <param name="shape">The parameter's shape.</param>
    public virtual string LayoutFor(IReadOnlyList<long> shape) => GetType().Name;

    /// <summary>All that the rule and its parts keep about a parameter of this shape. Default: nothing.</summary>
    /// <remarks>What is not listed cannot be kept; a name that stands there twice is refused when the method is attached. With sizes at their largest, where
    /// they change.</remarks>
    /// <param name="shape">The parameter's shape.</param>
    public virtual IEnumerable<StateSlot> SlotsFor(IReadOnlyList<long> shape) => [];

    /// <summary>Bytes of state of a float32 or half-precision parameter of this shape, between steps, once the first step has been taken. Default: those of
    /// all slots.</summary>
    /// <param name="shape">The parameter's shape.</param>
    public virtual long BytesFor(IReadOnlyList<long> shape) => SlotsFor(shape).Sum(slot => slot.Bytes);

    /// <summary>The same for a parameter of any dtype: beside float64 what is not stored in a format of its own is float64 too.</summary>
    internal virtual long BytesFor(IReadOnlyList<long> shape, ScalarType dtype) =>
        dtype == ScalarType.Float64 ? BytesFor(shape) + SlotsFor(shape).Sum(slot => slot.BytesFor(dtype) - slot.Bytes) : BytesFor(shape);

    /// <summary>What a reader should know about the rule for a parameter of this shape ("rank 128 lowered to 64, the length of the short side"), or
    /// null.</summary>
    /// <param name="shape">The parameter's shape.</param>
    public virtual string? NoteFor(IReadOnlyList<long> shape) => null;

    /// <summary>The factor of the next step, where the learning rate is relative to the size of the weight, or to the step: update and weight decay are
    /// multiplied by the same. Null where it is 1.</summary>
    /// <param name="weight">W before the step, in computing precision.</param>
    /// <param name="state">The parameter's memory; not changed.</param>
    /// <returns>A scalar on the weight's device: nothing is read back to the host.</returns>
    public virtual Tensor? RelativeRate(Tensor weight, StateBag state) => null;

    /// <value>Whether <see cref="AddUpdate"/> takes gradients in half precision as they are: a copy of the largest ones is then never made. Default
    /// false.</value>
    internal virtual bool WidensGradients => false;

    /// <value>Whether it runs in a subspace of the gradient's rows or columns. Default false.</value>
    public virtual bool Projects => false;

    /// <summary>Whether the next update uses of a gradient only what <see cref="TryAccumulate"/> and <see cref="TryAccumulateProduct"/> take of it.
    /// Default false: it needs the whole gradient.</summary>
    public virtual bool NeedsOnlyProjection(StateBag state, in StepContext step) => false;

    /// <summary>Adds a gradient to what has been accumulated for the next update, in a smaller space than the parameter's.</summary>
    /// <returns>Whether it has; otherwise the whole gradient is still needed, and nothing was changed. Default: it has not.</returns>
    public virtual bool TryAccumulate(Tensor gradient, StateBag state, in StepContext step) => false;

    /// <summary>The same for a gradient G = δᵀ x that is never formed.</summary>
    /// <param name="delta">δ, N × rows of the parameter.</param>
    /// <param name="input">x, N × columns of the parameter.</param>
    /// <param name="state">The parameter's memory.</param>
    /// <param name="step">The step that the gradient is for.</param>
    /// <returns>Whether it has; otherwise nothing was changed.</returns>
    public virtual bool TryAccumulateProduct(Tensor delta, Tensor input, StateBag state, in StepContext step) => false;

    /// <summary>How many numbers, float32 or float64, <see cref="TryAccumulateProduct"/> sums up for a parameter of this shape and keeps until the update.
    /// Default 0: it takes nothing.</summary>
    /// <param name="shape">The parameter's shape.</param>
    public virtual long NumbersAccumulated(IReadOnlyList<long> shape) => 0;

    /// <summary>Takes a whole gradient before the step does, where nothing but <see cref="TryAccumulateProduct"/> was in its way: finds the space, if that
    /// is due, and accumulates what it holds of the gradient.</summary>
    /// <returns>Whether it has; otherwise nothing was changed. Default: it has not.</returns>
    public virtual bool TryTakeWhole(Tensor gradient, StateBag state, in StepContext step) => false;

    /// <summary>Whether a new space is to be found, for the next update or in it, and products of the gradient are all that this takes. Default:
    /// not.</summary>
    internal virtual bool NeedsOnlyProducts(IReadOnlyList<long> shape, StateBag state, in StepContext step) => false;

    /// <summary>The same as <see cref="TryTakeWhole"/>, by products of a gradient that can be used.</summary>
    internal virtual void Take(LinearOperator gradient, StateBag state, in StepContext step) { }

    /// <summary>All that the next update would use of a gradient that is not accumulated yet: what accumulating it would add; or null where that is the
    /// whole gradient. Nothing is changed.</summary>
    public virtual Tensor? ProjectionOf(Tensor gradient, StateBag state, in StepContext step) => null;

    /// <summary>What waits for the next update, or null.</summary>
    public virtual Tensor? AccumulatedIn(StateBag state) => null;

    /// <summary>accumulator += scale · update, from nothing but what has been accumulated. Default: <see cref="AddUpdate"/> with a gradient of zeros.</summary>
    /// <inheritdoc cref="AddUpdate"/>
    public virtual void AddAccumulated(Tensor accumulator, double scale, StateBag state, in StepContext step)
    {
        using var nothing = zeros_like(accumulator);
        AddUpdate(nothing, accumulator, scale, state, step);
    }

    /// <value>Why <see cref="TryAccumulateProduct"/> never takes a gradient; null where it does, as long as the space stays. Default: the rule needs the whole
    /// gradient.</value>
    public virtual string? ObstacleToProjection => $"{GetType().Name} needs the whole gradient.";

    /// <summary>Drops what has been accumulated.</summary>
    public virtual void DropAccumulated(StateBag state) { }
}
