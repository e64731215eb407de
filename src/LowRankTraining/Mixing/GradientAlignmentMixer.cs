namespace LowRankTraining.Mixing;

/// <summary>Gradient-alignment reward (GAR): draws more from the sources whose gradients point where the next gradient points too, for those are the ones that
/// lower the next loss.</summary>
/// <remarks>
/// <para>A step −η gₛ changes the loss of the next batch, to first order, by −η ⟨gₛ, g′⟩. So source s of an update is rewarded, at the next update and with no
/// backward pass of its own, by Rₛ = ⟨gₛ, g′⟩ / (‖gₛ‖ ‖g′‖), gₛ the sum of its micro-batches' gradients and g′ the whole gradient of the next update. A softmax
/// policy with a floor follows the rewards by REINFORCE.</para>
/// <para>Kept between updates: one vector of a <see cref="GradientView"/> for each source of the last update. With the factors of a weight-space method that is
/// r (m + n) numbers per matrix, with a sketch 1021 in all.</para>
/// <para>An update whose gradient is zero or not finite teaches nothing: it is counted in <see cref="SkippedUpdates"/>, and the gradients of the update before
/// wait for the next.</para>
/// <para>The reward after a restart of ReLoRA compares gradients of old and new factors, and is as good as random; there are too few of them to matter.</para>
/// <para>Source: Müller, Biedenkapp and Hutter, In-Loop Meta-Learning with Gradient-Alignment Reward, arXiv 2102.03275.</para>
/// </remarks>
public sealed class GradientAlignmentMixer : DataMixer
{
    private const string Gradient = "gradient/", Batches = "batches/", Skipped = "skipped";

    private readonly GradientView _gradients;
    private readonly GradientAlignmentOptions _options;
    private readonly SoftmaxPolicy _policy;
    private readonly ICollective? _world;

    // Tensors are sums of gradients and counters numbers of micro-batches, both by source.
    private readonly StateBag _previous = new();
    private readonly StateBag _current = new();

    /// <summary>Mixes <paramref name="sources"/>, from equal parts on.</summary>
    /// <param name="sources">At least two names, all different.</param>
    /// <param name="gradients">What to see of the gradients; <see cref="GradientView.For"/> a session is the usual choice.</param>
    /// <param name="options">The defaults when null.</param>
    /// <param name="world">Several processes that draw alike, each of which sees a part of equal size of every batch: they learn from the gradients of all.
    /// Null for this one alone.</param>
    /// <exception cref="ArgumentException">Too few sources, names that are empty or the same, or a target that is none of them.</exception>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options out of range, all of them listed.</exception>
    public GradientAlignmentMixer(
        IEnumerable<string> sources, GradientView gradients, GradientAlignmentOptions? options = null, ICollective? world = null)
        : base(sources, options?.Seed ?? 0)
    {
        _world = world;
        ArgumentNullException.ThrowIfNull(gradients);
        _gradients = gradients;
        _options = Checks.Require(options ?? new());
        foreach (var target in _options.Targets)
            RequireSource(target, nameof(options));
        _policy = new SoftmaxPolicy(Sources.Count, _options);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<double> Probabilities => _policy.Probabilities;

    /// <value>Updates that taught nothing, because their gradient was zero throughout or not finite.</value>
    public long SkippedUpdates { get; private set; }

    private protected override string Layout => $"gradient alignment of {string.Join(", ", Sources)} by {_gradients.Layout}";

    private protected override object Described => _options;

    private protected override double? RewardOf(int place) => _policy.Baselines.ElementAt(place) is var reward && double.IsNaN(reward) ? null : reward;

    private protected override void Watch(string source, Action backward)
    {
        using var before = _current.Counters.Count > 0 ? _gradients.Read() : null;
        backward();

        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var added = _gradients.Read();
        if (before is not null)
            added.sub_(before);

        _current.Add(source, added);
        _current.Advance(source);
    }

    private protected override void Learn(long update)
    {
        if (_current.Counters.Count == 0)
            throw new InvalidOperationException("Nothing was observed since the last update. "
                + "Run each backward pass by mixer.Observe(draw.Source, () => loss.backward()), then call Update() once before the optimizer's step.");

        Reduce();
        if (RewardsOfPrevious() is { } rewards)
        {
            foreach (var (source, reward) in rewards)
                _policy.Reward(PlaceOf(source), reward, _previous.Counter(source));
            _previous.TakeFrom(_current);
        }
        else
        {
            SkippedUpdates++;
            _current.Clear();
        }

        if (update <= _options.Warmup)
        {
            _policy.Hold();
        }
        else if (update % _options.UpdateEvery == 0)
        {
            _policy.Step();
            _options.Logger?.MixtureMoved(update, this);
        }
    }

    /// <summary>Makes the gradients of this process those of the whole batches.</summary>
    private void Reduce()
    {
        if (_world is null or { Size: 1 })
            return;

        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var batches = tensor(Sources.Select(_current.Counter).ToArray(), ScalarType.Int64, CPU);
        var all = batches.clone();
        _world.AllReduce(all);
        if (!all.equal(batches.mul(_world.Size)).all().ToBoolean())
            throw new InvalidOperationException("The processes have drawn from different sources since the last update: "
                + "make their mixers alike, and have each take a part of every batch that is drawn.");

        foreach (var gradient in Sources.Where(_current.Tensors.ContainsKey).Select(source => _current[source]))
        {
            _world.AllReduce(gradient);
            gradient.div_(_world.Size);
        }
    }

    private protected override void Store(StateBag state)
    {
        if (_current.Counters.Count > 0)
            throw new InvalidOperationException("An update has begun. Save between a call of Update() and the next backward pass.");

        _policy.Store(state);
        state.SetCounter(Skipped, SkippedUpdates);
        foreach (var (source, gradient) in _previous.Tensors)
        {
            state.Set(Gradient + source, gradient.clone());
            state.SetCounter(Batches + source, _previous.Counter(source));
        }
    }

    private protected override void Restore(StateBag state)
    {
        _policy.Restore(state);
        SkippedUpdates = state.Counter(Skipped);
        _current.Clear();
        _previous.Clear();
        foreach (var source in Sources)
        {
            if (!state.TryGet(Gradient + source, out var gradient))
                continue;

            _previous.Set(source, gradient.to(_gradients.Device, copy: true));
            _previous.SetCounter(source, state.Counter(Batches + source));
        }
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        _previous.Dispose();
        _current.Dispose();
        base.Dispose(disposing);
    }

    /// <summary>How the last update's sources agree with the gradient of this one; null when that says nothing.
    /// Reads a few numbers back from the device.</summary>
    private List<(string Source, double Reward)>? RewardsOfPrevious()
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var whole = Sum(_current.Tensors.Values)!;
        var judge = _options.Targets.Count == 0
            ? whole
            : Sum(_current.Tensors.Where(entry => _options.Targets.Contains(entry.Key)).Select(entry => entry.Value));

        // In the order of the sources, whichever was drawn first: the policy adds up, and a loaded mixer does not know that order.
        var judged = _previous.Tensors.Where(entry => entry.Value.numel() == judge?.numel()).OrderBy(entry => PlaceOf(entry.Key)).ToArray();

        var products = judged.SelectMany(entry => new[] { entry.Value.dot(judge!), entry.Value.norm() });
        var numbers = stack([whole.norm(), (judge ?? whole).norm(), .. products]).cpu().data<float>().ToArray();
        if (numbers[0] == 0 || !float.IsFinite(numbers[0]))
            return null;

        return
        [
            .. judged.Select((entry, index) => (entry.Key, Reward(numbers[2 * index + 2], numbers[2 * index + 3], numbers[1], _previous.Counter(entry.Key))))
                .Where(entry => double.IsFinite(entry.Item2)),
        ];
    }

    private static Tensor? Sum(IEnumerable<Tensor> gradients) => gradients.Aggregate((Tensor?)null, (sum, gradient) => sum?.add(gradient) ?? gradient);

    private double Reward(double product, double norm, double normNow, long batches) => _options.Normalize ? product / (norm * normNow) : product / batches;
}
