namespace LowRankTraining.Layers;

/// <summary>Which entries of a layer's input do not reach its factors.</summary>
/// <remarks>A mask is a function of the layer's key, the number of completed steps, and the forward passes in training mode since the last of them; where
/// several processes train together, of the lane, and the passes in that, so that it does not matter which process has it. So it is
/// drawn again for the backward pass instead of being kept, and a resumed run draws the same ones, within a window of micro-batches too. A pass under
/// <c>no_grad</c> may be one that is run again with gradients for the backward pass (activation checkpointing), which goes through the layers from behind: the
/// last one that has not been run again gives its mask.</remarks>
internal sealed class DropoutMask(double probability, ulong key)
{
    /// <summary>Passes since the last step, in the state of the factor A.</summary>
    public static readonly StateSlot Passes = new("dropout_passes");

    private readonly Stack<long> _toRepeat = new();

    private long _completed, _lane, _pass;

    /// <summary>Null for a probability of 0.</summary>
    public static DropoutMask? For(ulong layer, double probability) => probability > 0 ? new(probability, layer) : null;

    public double Probability { get; } = probability;

    /// <summary>Begins the next step, unless it has begun.</summary>
    public void After(long completed)
    {
        if (completed != _completed)
            Begin(completed, _lane, 0);
    }

    public void Save(StateBag state)
    {
        _toRepeat.Clear();
        if (_pass != state.Counter(Passes))
            state.SetCounter(Passes, _pass);
    }

    public void ResumeAt(long completed, StateBag state) => Begin(completed, _lane, state.Counter(Passes));

    /// <summary>Begins another lane of the step.</summary>
    public void InLane(long lane) => Begin(_completed, lane, 0);

    /// <summary>Key of the next pass's mask.</summary>
    public ulong Next()
    {
        var isTrained = is_grad_enabled();
        var pass = isTrained && _toRepeat.TryPop(out var earlier) ? earlier : _pass++;
        if (!isTrained)
            _toRepeat.Push(pass);
        return RandomKey.For(key, "dropout", $"{(_lane == 0 ? "" : $"lane {_lane}, ")}pass {pass}", _completed);
    }

    /// <summary>x with the dropped entries at zero and the others larger by 1 / (1 − p), as a new tensor.</summary>
    public Tensor Apply(Tensor x, ulong pass)
    {
        using var generator = new Generator(pass);
        using var kept = generator.Bernoulli(x.shape, x.device, 1 - Probability);
        return x.mul(kept).mul_(1 / (1 - Probability));
    }

    private void Begin(long completed, long lane, long pass)
    {
        (_completed, _lane, _pass) = (completed, lane, pass);
        _toRepeat.Clear();
    }
}
