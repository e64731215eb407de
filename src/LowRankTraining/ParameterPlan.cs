namespace LowRankTraining;

/// <summary>One parameter and how it is updated.</summary>
/// <param name="Name">Qualified name, unique within a session. It keys randomness and checkpoints.</param>
/// <param name="Parameter">The trainable tensor.</param>
/// <param name="Rule">Turns its gradient into an update.</param>
public sealed record ParameterPlan(string Name, Parameter Parameter, UpdateRule Rule)
{
    /// <value>Factor on the group's learning rate. Default 1.</value>
    public double LearningRateMultiplier { get; init; } = 1;

    /// <value>Factor on the group's weight decay. Default 1.</value>
    public double WeightDecayMultiplier { get; init; } = 1;

    /// <value>Whether decoupled weight decay W ← (1 − η λ) W comes after the update, on the updated weight, as in the AdamW that the authors' code of GaLore,
    /// Fira and APOLLO builds on. Default false: before it (Loshchilov and Hutter, arXiv 1711.05101; PyTorch).</value>
    public bool DecaysAfterUpdate { get; init; }

    /// <value>Whether an all-zero gradient counts as a step (moments decay, momentum and weight decay go on), as
    /// in PyTorch. Default false: it changes nothing.</value>
    public bool AcceptZeroGradient { get; init; }

    /// <value>Where the weight's numbers are kept, when not in <see cref="Parameter"/>, which then stands for gradient
    /// and identity alone. Default: null, in the parameter.</value>
    internal IWeightStore? Store { get; init; }

    /// <value>Bytes that belong to the weight without being learned, such as the positions of sparse values. Default 0.</value>
    public long AttachedBytes { get; init; }

    /// <value>The parameter's shape after so many steps, where the session changes it on the way; null where it does not.</value>
    public Func<long, long[]>? ShapeAt { get; init; }

    /// <value>Whether the parameter can come to have a shape in the course of a run, where that depends on what is learned (a rank that grows); null where it
    /// does not. A checkpoint may then hold any such shape, and <see cref="ILowRankSession.ResumeAt"/> gives it to the parameter.</value>
    public Func<long[], bool>? CanHaveShape { get; init; }

    /// <value>What a reader should know about this choice ("rank 128 lowered to 64, the short side"), or null.</value>
    public string? Note { get; init; }

    /// <value>The weight's shape, which its gradient has too, wherever its numbers are kept.</value>
    public long[] Shape => Store?.Shape ?? Parameter.shape;

    /// <value>Where the gradient goes in the backward pass, piece by piece; null where it is held until the step.</value>
    internal GradientSink? Sink { get; init; }

    /// <value>Whether the parameter is updated in the backward pass, as soon as its gradient is complete. Default false.</value>
    internal bool StepsInBackward { get; init; }

    /// <value>Whether the parameter is the model's as it was made, and its user decides when it is trained; else it is the session's.</value>
    internal bool IsOfModel { get; init; }

    /// <value>Whether the model's user has frozen it, for now: no step touches it or its state.</value>
    internal bool IsFrozen => IsOfModel && !Parameter.requires_grad;

    /// <summary>"layers.0.q_proj.weight: Left subspace of rank 128 of 512, Adam float32 (whole gradient: ...)".</summary>
    internal string ToLine() => Parameter.IsInvalid ? $"{Name}: gone, the model was moved or disposed"
        : $"{Name}: {Rule.LayoutFor(Shape)}{(Note is null ? "" : $" ({Note})")}";

    /// <summary>The same plan with something more to know about it.</summary>
    internal ParameterPlan WithNote(string note) => this with { Note = Note is null ? note : $"{Note}; {note}" };

    /// <value>Whether the bits that a weight in half precision loses by rounding are kept with the parameter's state. Default false.</value>
    internal bool KeepsRemainder { get; init; }

    /// <value>Whether there are such bits: the weight is in half precision, and in the parameter.</value>
    internal bool HasRemainder => KeepsRemainder && Store is null && Parameter.dtype.IsHalf();

    /// <value>What the session itself keeps with the parameter's state. Default: nothing.</value>
    internal IReadOnlyList<StateSlot> SessionSlots { get; init; } = [];

    /// <value>All that is kept about it.</value>
    internal IEnumerable<StateSlot> Slots => Rule.SlotsFor(Shape).Concat(SessionSlots).Concat(RemainderSlots);

    private IEnumerable<StateSlot> RemainderSlots => HasRemainder ? [RemainderStore.SlotFor(Shape.Elements())] : [];

    /// <summary>Room for all that is kept about it, of which nothing is there yet.</summary>
    /// <exception cref="ArgumentException">Two parts of the rule keep something of one name.</exception>
    internal StateBag NewState(params IEnumerable<StateSlot> others) => new([.. Slots, .. others], $"'{Name}'");

    /// <summary>The shape that a checkpoint of so many steps is to have for this weight, given what it has.</summary>
    internal long[] ExpectedShape(long step, long[] saved) =>
        CanHaveShape?.Invoke(saved) == true ? saved : ShapeAt?.Invoke(step) ?? Shape;

    /// <summary>The shape that it is to have for the parameter itself.</summary>
    internal long[] ExpectedEntry(long step, long[] saved) => Store is null ? ExpectedShape(step, saved) : Parameter.shape;
}
