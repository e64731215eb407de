namespace LowRankTraining.Mixing;

/// <summary>Probabilities of K choices that follow their rewards.</summary>
/// <remarks>
/// <para>q = softmax(φ/τ), p = (1 − ε) q + ε/K. The gradient of the expected reward Σ pᵢ E[Rᵢ] is estimated, from the rewards that came since the last step,
/// by</para>
/// <para>g = Σᵢ bᵢ ∇pᵢ + mean over rewards of (Rᵢ − bᵢ) ∇log pᵢ, bᵢ the moving average of source i's own rewards.</para>
/// <para>The second term is REINFORCE with a baseline for each source. Alone it would not learn: such a baseline takes away just the difference between
/// sources. The first term gives it back, exactly and without noise, and together they are unbiased.</para>
/// <para>φ takes a step of Adam along g, and is kept within τ ln(50 (K − 1)) of its largest entry, where a single best source has q = 0.98: beyond, little is
/// to be gained, and the way back would be long. For the same reason Adam averages over fewer steps than usual (β₂ = 0.99): the large gradients of an
/// undecided policy would freeze a decided one.</para>
/// <para>Source: Williams, REINFORCE, 1992; Gu et al., Q-Prop, arXiv 1611.02247, for a baseline that depends on the choice.</para>
/// </remarks>
internal sealed class SoftmaxPolicy(int choices, GradientAlignmentOptions options)
{
    private const double Beta1 = 0.9, Beta2 = 0.99;

    private readonly double[] _logits = new double[choices];
    private readonly double[] _first = new double[choices];
    private readonly double[] _second = new double[choices];
    private readonly double[] _baselines = new double[choices];
    private readonly double[] _scores = new double[choices];
    private readonly double[] _weights = new double[choices];
    private readonly double[] _counts = new double[2];

    // Cosines have a scale; differences far below it are rounding errors, which Adam must not make steps of.
    private readonly double _epsilon = options.Normalize ? 1e-4 : 1e-8;

    /// <value>p.</value>
    public double[] Probabilities => [.. Softmax().Select(WithFloor)];

    /// <value>b; NaN for a choice that was never rewarded.</value>
    public IEnumerable<double> Baselines => _baselines.Zip(_weights, (baseline, weight) => weight > 0 ? baseline : double.NaN);

    private IEnumerable<(string Name, double[] Values)> State =>
    [
        ("logits", _logits), ("first", _first), ("second", _second), ("baselines", _baselines), ("scores", _scores), ("weights", _weights), ("counts", _counts),
    ];

    private ref double Steps => ref _counts[0];

    private ref double Scored => ref _counts[1];

    /// <summary>Takes a reward in, which counts as <paramref name="times"/> equal ones.</summary>
    public void Reward(int choice, double reward, long times)
    {
        // The first reward of a choice says where it stands, not whether that is better than expected.
        if (_weights[choice] == 0)
            _baselines[choice] = reward;

        var q = Softmax();
        var score = times * (reward - _baselines[choice]) * Slope(q[choice]) / WithFloor(q[choice]);
        for (var k = 0; k < choices; k++)
            _scores[k] += score * ((k == choice ? 1 : 0) - q[k]);

        _baselines[choice] += (1 - options.BaselineDecay) * (reward - _baselines[choice]);
        _weights[choice] += times;
        Scored += times;
    }

    /// <summary>Moves the logits along the gradient of the expected reward.</summary>
    public void Step()
    {
        if (Scored == 0)
            return;

        // A choice without a reward yet is taken to be worth what the others are on average: that moves it neither way.
        var q = Softmax();
        var known = Enumerable.Range(0, choices).Where(k => _weights[k] > 0).ToArray();
        var average = known.Sum(k => q[k] * _baselines[k]) / known.Sum(k => q[k]);

        Steps++;
        for (var k = 0; k < choices; k++)
        {
            var gradient = _scores[k] / Scored + (_weights[k] > 0 ? Slope(q[k]) * (_baselines[k] - average) : 0);
            _first[k] = Beta1 * _first[k] + (1 - Beta1) * gradient;
            _second[k] = Beta2 * _second[k] + (1 - Beta2) * gradient * gradient;
            _logits[k] += options.LearningRate * Corrected(_first[k], Beta1) / (Math.Sqrt(Corrected(_second[k], Beta2)) + _epsilon);
        }

        Bound();
        Hold();
    }

    /// <summary>Lets go of what would move the logits; the averages stay.</summary>
    public void Hold()
    {
        Array.Clear(_scores);
        Scored = 0;
    }

    public void Store(StateBag state)
    {
        foreach (var (name, values) in State)
            state.Set($"policy/{name}", tensor(values, device: CPU));
    }

    public void Restore(StateBag state)
    {
        foreach (var (name, values) in State)
            state[$"policy/{name}"].data<double>().ToArray().CopyTo(values, 0);
    }

    private double[] Softmax()
    {
        var largest = _logits.Max();
        var powers = _logits.Select(logit => Math.Exp((logit - largest) / options.Temperature)).ToArray();
        var sum = powers.Sum();
        return [.. powers.Select(power => power / sum)];
    }

    private double WithFloor(double q) => (1 - options.Floor) * q + options.Floor / choices;

    /// <summary>∂pᵢ/∂φₖ = slope(qᵢ) (1[i = k] − qₖ).</summary>
    private double Slope(double q) => (1 - options.Floor) * q / options.Temperature;

    private double Corrected(double moment, double beta) => moment / (1 - Math.Pow(beta, Steps));

    private void Bound()
    {
        var (largest, spread) = (_logits.Max(), options.Temperature * Math.Log(50 * (choices - 1)));
        for (var k = 0; k < choices; k++)
            _logits[k] = Math.Max(_logits[k] - largest, -spread);
    }
}
