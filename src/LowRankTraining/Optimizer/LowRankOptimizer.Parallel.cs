namespace LowRankTraining;

/// <content>Several processes that train one model.</content>
public sealed partial class LowRankOptimizer
{
    private double _localTokens = 1;

    /// <summary>Makes an optimizer that trains one model together with other processes, each of which makes one like it.</summary>
    /// <remarks>
    /// <para>Each process computes the mean loss of its part of a batch. At the step the gradients become G = Σ wₖ Gₖ, wₖ the process's share of
    /// <see cref="LocalTokens"/>: what one process has on the whole batch, but for rounding. Where the next update needs only R = PᵀG, only that is sent.
    /// Every process then takes the same step, so that weights and state stay equal bit for bit, which is checked (<see cref="CompareEvery"/>).</para>
    /// <para>Every process calls <see cref="clip_grad_norm_"/> and <see cref="step"/> as often as the others. Do not scale gradients by other means: they are
    /// those of a part of the batch.</para>
    /// <para>Under <see cref="GradientFlow.Stepped"/> the gradient of each layer is exchanged as soon as it is complete. So the backward pass is to reach the
    /// same layers in the same order on every process.</para>
    /// <para>Where rules need the whole gradient, and there is enough for every process to have its share, each process has the state of some parameters and
    /// takes their steps for all (<see cref="Describe"/> says which): gradients travel there, and updated weights back. What saves the state is then to be
    /// called on all processes.</para>
    /// </remarks>
    /// <param name="session">A strategy at work on a model.</param>
    /// <param name="lr">Learning rate η, at least 0.</param>
    /// <param name="weight_decay">Decoupled weight decay λ, at least 0.</param>
    /// <param name="world">The processes. It is not disposed with the optimizer.</param>
    /// <exception cref="ArgumentException">The lanes of <paramref name="world"/> are no multiple of its processes.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A negative or non-finite number.</exception>
    /// <exception cref="NotSupportedException">Weights are updated in the backward pass, and a process has several lanes.</exception>
    /// <exception cref="InvalidOperationException">The processes differ in model, method, options, versions or weights: on all of them, with the first
    /// difference.</exception>
    public LowRankOptimizer(ILowRankSession session, double lr, double weight_decay, ICollective world) : this(session, lr, weight_decay)
    {
        ArgumentNullException.ThrowIfNull(world);
        if (UpdatesInBackward && world.Lanes > world.Size)
            throw new NotSupportedException($"{nameof(GradientFlow)}.{GradientFlow.Stepped} takes one backward pass a step, and {world.Lanes} lanes of "
                + $"{world.Size} processes are several on each: attach with {GradientFlow.Projected} or {GradientFlow.Whole}, or take {world.Size} lanes.");

        _replicas = new(this, world);
    }

    /// <value>The processes that train together; null where this one trains alone.</value>
    public ICollective? World => _replicas?.World;

    /// <value>How much this process's gradient counts in the next step: the number of tokens, or samples, over which its loss is the mean; at least 0, and not
    /// 0 for all. With 0 its gradient is not looked at. It stays until it is set again. Default 1: all count alike.</value>
    /// <exception cref="ArgumentOutOfRangeException">Set to a negative or non-finite number.</exception>
    public double LocalTokens
    {
        get => _localTokens;
        set
        {
            RequireNonNegative(value, nameof(LocalTokens));
            _localTokens = value;
        }
    }

    /// <value>Bytes that this process has sent to the others so far.</value>
    public long BytesSent => _replicas?.World.BytesSent ?? 0;

    /// <value>After how many steps the processes compare their weights by a hash of 64 bits; 0 for never. They do so also when the optimizer is made and after
    /// a state was loaded. A difference ends the run on all of them, with the parameter's name. Default 100: the hash takes one pass over the weights.</value>
    public int CompareEvery { get; set; } = 100;

    /// <value>Whether under <see cref="GradientFlow.Projected"/> what is projected is sent while the backward pass goes on, where <see cref="World"/> has a
    /// channel for that (<see cref="ICollective.Background"/>). The bits are those of sending in the step. It takes a copy of what is projected, rank · l
    /// numbers per matrix. <see cref="LocalTokens"/> is to be set before the backward pass: where it changes after that, or a backward pass follows that the
    /// last window did not have, numbers are sent once more in the step. The same on every process; a change counts from the next step on. Default
    /// true.</value>
    public bool SendsInBackward { get; set; } = true;

    /// <summary>One line for each parameter: how it is updated, and which process has its state where that is one alone; and one for each pattern of the
    /// targets that has no effect in the model.</summary>
    public string Describe() => string.Join(Environment.NewLine, _entries.Select(entry =>
        (entry.Owner is { } owner ? entry.Plan.WithNote($"state and step in process {owner} of {World!.Size}") : entry.Plan).ToLine())
        .Concat(Session.Unused));
}
