using LowRankTraining.Numerics;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining;

/// <content>Several processes that train one model.</content>
public sealed partial class LowRankOptimizer
{
    private readonly CountedWorld? _world;
    private double _localTokens = 1;
    private int _lane;
    private bool _isReduced;

    /// <summary>Makes an optimizer that trains one model together with other processes, each of which makes one like it.</summary>
    /// <remarks>
    /// <para>Each process computes the mean loss of its part of a batch. At the step the gradients become G = Σ wₖ Gₖ, wₖ the process's share of
    /// <see cref="LocalTokens"/>: what one process has on the whole batch, but for rounding. Where the next update needs only R = PᵀG, only that is sent.
    /// Every process then takes the same step, so that weights and state stay equal bit for bit, which is checked (<see cref="CompareEvery"/>).</para>
    /// <para>Every process calls <see cref="clip_grad_norm_"/> and <see cref="step"/> as often as the others. Do not scale gradients by other means: they are
    /// those of a part of the batch.</para>
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
    /// <exception cref="NotSupportedException">Weights are updated in the backward pass, before gradients can be exchanged.</exception>
    /// <exception cref="InvalidOperationException">The processes differ in model, method, options, versions or weights: on all of them, with the first
    /// difference.</exception>
    public LowRankOptimizer(ILowRankSession session, double lr, double weight_decay, ICollective world) : this(session, lr, weight_decay)
    {
        ArgumentNullException.ThrowIfNull(world);
        if (world.Lanes < 1 || world.Lanes % world.Size != 0)
            throw new ArgumentException($"{world.Lanes} lanes cannot be divided among {world.Size} processes: take a multiple of {world.Size}.", nameof(world));

        if (UpdatesInBackward && world.Lanes > 1)
            throw new NotSupportedException($"Under {nameof(GradientFlow)}.{GradientFlow.Stepped} weights are updated before the processes have exchanged "
                + $"gradients: attach with {GradientFlow.Projected} or {GradientFlow.Whole}.");

        _world = new CountedWorld(world);
        session.Join(_world);
        RequireEqualSetUp();
        RequireEqualReplicas("when the optimizer was made", ReplicatedTensors());
        DivideWork();
    }

    /// <value>The processes that train together; null where this one trains alone.</value>
    public ICollective? World => _world;

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
    public long BytesSent => _world?.BytesSent ?? 0;

    /// <value>Whether a step takes more than one gradient, of other processes or of lanes of this one.</value>
    private bool IsParallel => _world is { Lanes: > 1 };

    /// <value>L / P, micro-batches of this process in a step, where they are added up lane by lane; else 1.</value>
    private int LanesHere => _world is null ? 1 : _world.Lanes / _world.Size;

    /// <summary>Makes the gradients of this process those of the whole batch, once per step: whatever of them the next update uses.</summary>
    /// <exception cref="InvalidOperationException">The processes are not at the same step, or have not accumulated alike. Nothing was changed but what
    /// <see cref="accumulate"/> does.</exception>
    private void ReduceGradients()
    {
        if (_isReduced || !IsParallel)
            return;

        using var scope = NewDisposeScope();
        _traces.Clear();
        TakeIn();
        FinishEarly();
        var agreed = Agree();
        using (var buckets = new GradientBuckets(_world!, agreed.Share))
        {
            foreach (var (entry, held) in _entries.Zip(agreed.Held))
                if (!IsTakenEarly(entry, held))
                    AddTo(buckets, entry, held & ~Held.Late, agreed.Share, scope);
            buckets.Flush();
        }

        ReduceToOwners(agreed.Share);
        TakeEarly(agreed.Held);

        _isReduced = true;
    }

    /// <summary>Takes the gradients of the last micro-batch into the subspace where that is possible.</summary>
    private void TakeIn()
    {
        if (LanesHere > 1)
        {
            if (_lane < LanesHere && _entries.Any(entry => HasGradient(entry) || AccumulatedIn(entry) is not null))
                TakeLane();
            return;
        }

        foreach (var entry in _entries.Where(entry => entry.Parameter.requires_grad))
        {
            using var inner = NewDisposeScope();
            if (DenseGradient(entry) is not { } gradient || !entry.Plan.Rule.TryAccumulate(Ready(gradient), entry.Bag, ContextFor(entry)))
                continue;

            entry.Parameter.grad = null;
            ChangeSinceSent(entry);
        }
    }

    /// <summary>Takes the gradients of one lane, and frees them.</summary>
    /// <returns>How many.</returns>
    private int TakeLane()
    {
        RequireNotReduced();
        if (_lane == LanesHere)
            throw new InvalidOperationException(
                $"This process has its {LanesHere} micro-batches of the step already ({_world!.Lanes} lanes of {_world.Size} processes): call step(). "
                + "Nothing was changed; zero_grad() drops the window.");

        var taken = 0;
        foreach (var entry in _entries.Where(entry => entry.Parameter.requires_grad))
        {
            using var scope = NewDisposeScope();
            var gradient = DenseGradient(entry) is { } dense ? Ready(dense) : null;
            var isProjected = gradient is null ? AccumulatedIn(entry) is not null : entry.Plan.Rule.TryAccumulate(gradient, entry.Bag, ContextFor(entry));
            var lane = isProjected ? AccumulatedIn(entry) : gradient;
            var isApart = NeedsOnlyProducts(entry);
            entry.Lanes.Add(lane?.clone(), isApart);
            if (lane is null)
                continue;

            entry.InLanes |= isProjected ? Held.Projected : isApart ? Held.Whole | FitnessOf(lane) : Held.Whole;
            entry.Parameter.grad = null;
            taken++;
            if (gradient is not null)
                ChangeSinceSent(entry);

            // The last one stays where the sum will be.
            if (_lane < LanesHere - 1)
                entry.Plan.Rule.DropAccumulated(entry.Bag);
        }

        _lane++;
        _isWithinWindow = true;
        return taken;
    }

    /// <summary>Gives a parameter's tensors to the buckets: what this process has, or zeros where only others have something.</summary>
    private void AddTo(GradientBuckets buckets, ParameterState entry, Held held, double share, DisposeScope scope)
    {
        if (entry.Owner is { } owner && held == Held.Whole)
        {
            _reducedToOwners.Add((entry, owner));
            return;
        }

        if (IsTakenTogether(held))
        {
            TakeTogether(entry, share);
            return;
        }

        var lanes = entry.Lanes.Take();
        if (lanes is not null)
            scope.Attach(lanes);
        if (held.HasFlag(Held.Projected))
        {
            var projected = AccumulatedIn(entry) ?? ProjectedZeros(entry);
            buckets.Add(lanes ?? projected, projected);
        }

        if (held.HasFlag(Held.Whole))
        {
            var gradient = entry.Parameter.grad ?? SetZeroGradient(entry);
            buckets.Add(LanesHere > 1 ? lanes ?? gradient.Widened() : gradient, gradient);
        }
    }

    private Tensor ProjectedZeros(ParameterState entry)
    {
        using var scope = NewDisposeScope();
        var zero = zeros(entry.Plan.Shape, entry.Parameter.dtype.Computing(), entry.Parameter.device);
        if (!entry.Plan.Rule.TryAccumulate(zero, entry.Bag, ContextFor(entry)))
            throw new InvalidOperationException(
                $"Another process projects the gradient of '{entry.Plan.Name}', and this one needs all of it: their states are not those of one run. "
                + "Load the same checkpoint in every process.");
        return AccumulatedIn(entry)!;
    }

    private static Tensor SetZeroGradient(ParameterState entry)
    {
        using (var zero = zeros(entry.Plan.Shape, entry.Parameter.dtype, entry.Parameter.device))
            entry.Parameter.grad = zero;
        return entry.Parameter.grad!;
    }

    private void RequireNotReduced()
    {
        if (_isReduced)
            throw new InvalidOperationException("The gradients of this step are those of all processes already, since clip_grad_norm_ was called: "
                + "accumulate all micro-batches, then clip, then call step(). Nothing was changed; zero_grad() drops the window.");
    }

    /// <summary>Begins to collect gradients for another step.</summary>
    private void StartWindow()
    {
        StartEarly();
        (_isReduced, _lane) = (false, 0);
        _reducedToOwners.Clear();
        foreach (var entry in _entries)
        {
            entry.Lanes.Dispose();
            entry.InLanes = Held.Nothing;
        }
    }

    /// <summary>What a process has of a parameter's gradient.</summary>
    [Flags]
    private enum Held : byte
    {
        Nothing = 0,
        Whole = 1,
        Projected = 2,

        /// <summary>It is whole, and products of it are all that is needed.</summary>
        Usable = 4,

        /// <summary>It is whole, and its products would tell nothing.</summary>
        Unfit = 8,

        /// <summary>It has changed since it was sent in the backward pass, or something else was sent.</summary>
        Late = 16,
    }

    /// <summary>Whether the processes together have a gradient of which products are all that is needed.</summary>
    private static bool IsTakenTogether(Held held) => held == (Held.Whole | Held.Usable);
}
