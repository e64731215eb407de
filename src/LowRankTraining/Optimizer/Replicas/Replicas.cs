namespace LowRankTraining;

/// <summary>What the processes that train one model do together, once per step: the gradients of each become those of the whole batch, whatever of them the
/// next update uses.</summary>
internal sealed class Replicas : IDisposable
{
    private readonly LowRankOptimizer _optimizer;
    private readonly CountedWorld _world;
    private readonly IReadOnlyList<ParameterState> _entries;
    private readonly ByteExchange _exchange;
    private readonly ReplicaCheck _check;
    private readonly OverlappedReduction _overlap;
    private bool _isReduced, _comparesNext, _hasParted;
    private int _lane;

    /// <exception cref="ArgumentException">The lanes of <paramref name="world"/> are no multiple of its processes.</exception>
    /// <exception cref="InvalidOperationException">The processes differ in model, method, options, versions or weights: on all of them, with the first
    /// difference.</exception>
    public Replicas(LowRankOptimizer optimizer, ICollective world)
    {
        if (world.Lanes < 1 || world.Lanes % world.Size != 0)
            throw new ArgumentException($"{world.Lanes} lanes cannot be divided among {world.Size} processes: take a multiple of {world.Size}.", nameof(world));

        (_optimizer, _world, _entries) = (optimizer, new(world), optimizer.Entries);
        _exchange = new(_world, () => _entries.Count > 0 ? _entries[0].Parameter.device : CPU);
        _check = new(optimizer, _world, _exchange);
        _overlap = new(optimizer, _world);
        Owned = new(_entries, _world);

        optimizer.Session.Join(_world);
        _check.RequireEqualSetUp();
        _check.RequireEqualModels("when the optimizer was made");
        Owned.Divide(optimizer.Session.CanDivide, isSummedEverywhere: optimizer.UpdatesInBackward);
        Enter(lane: 0);
    }

    public CountedWorld World => _world;

    /// <value>States of which each process has a part.</value>
    public OwnedStates Owned { get; }

    /// <value>Whether a step takes more than one gradient, of other processes or of lanes of this one.</value>
    public bool IsParallel => _world.Lanes > 1;

    /// <value>Whether micro-batches are added up lane by lane.</value>
    public bool HasLanes => _world.LanesHere > 1;

    /// <summary>Makes the gradients of this process those of the whole batch, once per step.</summary>
    /// <exception cref="InvalidOperationException">The processes are not at the same step, or have not accumulated alike. Nothing was changed but what
    /// <see cref="LowRankOptimizer.accumulate"/> does.</exception>
    public void Reduce()
    {
        if (_isReduced || !IsParallel)
            return;

        using var scope = NewDisposeScope();
        TakeIn();
        _overlap.Finish();
        var (share, agreed) = Agree();
        using (var sums = new GradientSums(_world, _optimizer.Window, Owned, share))
        {
            foreach (var (entry, held) in _entries.Zip(agreed))
                if (!OverlappedReduction.HasAll(entry, held))
                    sums.Add(entry, held & ~LocalGradient.Late);
            sums.Complete();
        }

        _overlap.Take(agreed);
        _isReduced = true;
    }

    /// <summary>Makes one gradient that of the whole batch, within the backward pass: the other processes have come to it as well.</summary>
    /// <exception cref="InvalidOperationException">They are elsewhere: on all of them, and for the rest of this backward pass.</exception>
    public void Reduce(ParameterState entry)
    {
        if (!IsParallel)
            return;
        if (_hasParted)
            throw new InvalidOperationException("The processes are at different places of their backward passes.");

        // Where they do not agree none exchanges anything more in this backward pass: the others would wait for it.
        using var scope = NewDisposeScope();
        _hasParted = true;
        var (share, agreed) = Agree(entry);
        _hasParted = false;
        using var sums = new GradientSums(_world, _optimizer.Window, Owned, share);
        sums.Add(entry, agreed[entry.Index]);
        sums.Complete();
    }

    /// <summary>Takes the gradients of the last micro-batch into the subspace where that is possible.</summary>
    public void TakeIn()
    {
        if (!HasLanes)
            _optimizer.Window.TakeIn();
        else if (_lane < _world.LanesHere && _entries.Any(entry => entry.HasGradient || entry.Accumulated is not null))
            TakeLane();
    }

    /// <summary>Takes the gradients of one lane, and frees them.</summary>
    /// <returns>How many.</returns>
    public int TakeLane()
    {
        RequireNotReduced();
        if (_lane == _world.LanesHere)
            throw new InvalidOperationException(
                $"This process has its {_lane} micro-batches of the step already ({_world.Lanes} lanes of {_world.Size} processes): call step(). "
                + "Nothing was changed; zero_grad() drops the window.");

        var taken = _entries.Count(entry => entry.Parameter.requires_grad && TakeLane(entry, isLast: _lane == _world.LanesHere - 1));
        Enter(_lane + 1);
        _optimizer.Window.Begin();
        return taken;
    }

    /// <summary>A backward pass has all of a parameter's gradient.</summary>
    /// <param name="entry">The parameter.</param>
    /// <param name="isProjected">Whether all of it is projected.</param>
    public void Pass(ParameterState entry, bool isProjected) => _overlap.Pass(entry, isProjected && !_isReduced);

    /// <exception cref="InvalidOperationException">The gradients of this step are those of all processes already.</exception>
    public void RequireNotReduced()
    {
        if (_isReduced)
            throw new InvalidOperationException("The gradients of this step are those of all processes already, since clip_grad_norm_ was called: "
                + "accumulate all micro-batches, then clip, then call step(). Nothing was changed; zero_grad() drops the window.");
    }

    /// <summary>A step has been taken: compares weights where that is due, and settles what is sent early before the next one.</summary>
    public void EndStep()
    {
        if (_world.Size > 1 && _optimizer.CompareEvery > 0 && _optimizer.CompletedSteps % _optimizer.CompareEvery == 0)
            _check.RequireEqualWeights($"after step {_optimizer.CompletedSteps}");
        _overlap.Plan();
    }

    /// <summary>Begins to collect gradients for another step.</summary>
    public void StartWindow()
    {
        _overlap.Start(afterStep: _isReduced);
        _isReduced = _hasParted = false;
        Enter(lane: 0);
        Owned.Drop();
        foreach (var entry in _entries)
        {
            entry.Lanes.Dispose();
            entry.InLanes = LocalGradient.Nothing;
        }
    }

    /// <summary>A state has been loaded.</summary>
    public void Resume()
    {
        StartWindow();
        _comparesNext = true;
        Owned.DropStatesElsewhere();
    }

    /// <summary>Whether something holds on every process.</summary>
    public bool All(bool holdsHere) =>
        _world.Size == 1 ? holdsHere : Array.TrueForAll(_exchange.Gather([holdsHere ? (byte)1 : (byte)0]), message => message[0] == 1);

    /// <summary>Waits for the other processes.</summary>
    public void Barrier() => _ = _exchange.Gather([1]);

    public void Dispose() => _overlap.Dispose();

    /// <summary>The next micro-batch of this process is for its lane of that number.</summary>
    private void Enter(int lane)
    {
        _lane = lane;
        if (IsParallel)
            _optimizer.Session.InLane(_world.Rank * _world.LanesHere + lane);
    }

    private bool TakeLane(ParameterState entry, bool isLast)
    {
        using var scope = NewDisposeScope();
        var gradient = entry.DenseGradient() is { } dense ? _optimizer.Window.Ready(dense) : null;
        var isProjected = gradient is null ? entry.Accumulated is not null : entry.TryAccumulate(gradient);
        var lane = isProjected ? entry.Accumulated : gradient;
        var isApart = entry.NeedsOnlyProducts;
        entry.Lanes.Add(lane?.clone(), isApart);
        if (lane is null)
            return false;

        entry.InLanes |= isProjected ? LocalGradient.Projected : isApart ? LocalGradient.Whole | FitnessOf(lane) : LocalGradient.Whole;
        entry.Parameter.grad = null;
        if (gradient is not null)
            entry.Overlap.Change();

        // The last one stays where the sum will be.
        if (!isLast)
            entry.DropAccumulated();
        return true;
    }

    /// <summary>Tells the others what this process has, and learns what all of them have.</summary>
    /// <param name="only">Whose gradient is exchanged now; null for all.</param>
    private (double Share, LocalGradient[] Held) Agree(ParameterState? only = null)
    {
        _check.RequireEqualSetUp();
        var held = _entries.Select(entry => only is null || ReferenceEquals(only, entry) ? HeldOrLate(entry) : LocalGradient.Nothing);
        var mine = new StepMessage(_optimizer.LocalTokens, _optimizer.CompletedSteps, _lane, _overlap.Length, only?.Index ?? StepMessage.EndOfStep,
            _comparesNext, [.. held]);
        var messages = _exchange.Gather(mine.ToBytes()).Select(StepMessage.Of).ToArray();
        RequireSame(messages, message => message.Completed, (rank, there, here) =>
            $"Process {rank} is before step {there + 1} and process 0 before step {here + 1}: every process must take every step.");
        RequireSame(messages, message => message.Place, (rank, there, here) =>
            $"Process {rank} is {PlaceOf(there)} and process 0 {PlaceOf(here)}: under {nameof(GradientFlow)}.{GradientFlow.Stepped} every process runs one "
            + "backward pass a step, through the same layers in the same order. Otherwise attach with another flow.");
        RequireSame(messages, message => message.Lane, (rank, there, here) =>
            $"Process {rank} has accumulated {there} micro-batches and process 0 {here}: divide the batch of a step into as many on each.");
        RequireSame(messages, message => message.Early, (rank, there, here) =>
            $"Process {rank} sends {there} numbers in the backward pass and process 0 {here}: change {nameof(LowRankOptimizer.SendsInBackward)} on all of them "
            + "after the same step, and load the same checkpoint everywhere.");
        if (HasLanes && _lane != _world.LanesHere)
            throw new InvalidOperationException($"{_lane} micro-batches were accumulated for this step, and {_world.Lanes} lanes of {_world.Size} processes "
                + $"take {_world.LanesHere}: call accumulate() after every backward pass (for the last one step() alone does). Nothing was changed.");

        var tokens = messages.Sum(message => message.Tokens);
        if (!(tokens > 0))
            throw new InvalidOperationException(
                $"{nameof(LowRankOptimizer.LocalTokens)} is 0 on every process, so that no gradient counts. Nothing was changed.");
        if (Array.Exists(messages, message => message.Compares))
            _check.RequireEqualModels("after a state was loaded");

        _comparesNext = false;
        return (_optimizer.LocalTokens / tokens,
            [.. _entries.Select((_, index) => messages.Aggregate(LocalGradient.Nothing, (held, message) => held | message.Held[index]))]);
    }

    private string PlaceOf(long place) =>
        place == StepMessage.EndOfStep ? "at the end of its step" : $"in the backward pass at '{_entries[(int)place].Plan.Name}'";

    private static void RequireSame(StepMessage[] messages, Func<StepMessage, long> number, Func<int, long, long, string> difference)
    {
        var expected = number(messages[0]);
        var rank = Array.FindIndex(messages, message => number(message) != expected);
        if (rank > 0)
            throw new InvalidOperationException($"{difference(rank, number(messages[rank]), expected)} Nothing was changed.");
    }

    private LocalGradient HeldOrLate(ParameterState entry) => HeldOf(entry) | (entry.Overlap.IsLate ? LocalGradient.Late : LocalGradient.Nothing);

    private LocalGradient HeldOf(ParameterState entry)
    {
        if (!entry.Parameter.requires_grad)
            return LocalGradient.Nothing;
        if (HasLanes)
            return _optimizer.LocalTokens == 0 ? entry.InLanes & (LocalGradient.Whole | LocalGradient.Projected) : entry.InLanes;
        return (entry.Accumulated is null ? LocalGradient.Nothing : LocalGradient.Projected) | HeldWhole(entry);
    }

    private LocalGradient HeldWhole(ParameterState entry)
    {
        if (!entry.HasGradient)
            return LocalGradient.Nothing;
        if (_optimizer.LocalTokens == 0 || !entry.NeedsOnlyProducts)
            return LocalGradient.Whole;

        using var scope = NewDisposeScope();
        return LocalGradient.Whole | FitnessOf(_optimizer.Window.Ready(entry.DenseGradient()!));
    }

    /// <summary>Whether products of a gradient will do. Where it is not finite, or too large to be squared, the sum itself has to be looked at.</summary>
    private static LocalGradient FitnessOf(Tensor gradient) => GradientCheck.Judge(gradient) switch
    {
        GradientVerdict.Usable => LocalGradient.Usable,
        GradientVerdict.Zero => LocalGradient.Nothing,
        _ => LocalGradient.Unfit,
    };
}
