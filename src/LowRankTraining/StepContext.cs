namespace LowRankTraining;

/// <summary>What a rule may know about the step that it takes part in.</summary>
public readonly record struct StepContext
{
    /// <value>This step's number; the first is 1.</value>
    public required long Step { get; init; }

    /// <value>Name of the parameter that is being updated; empty in <see cref="ILowRankSession.AfterStep"/>.</value>
    public string Parameter { get; init; } = "";

    /// <value>Follows the parameter's name in what keys randomness, where two parts of it draw numbers for one purpose.</value>
    internal string Part { get; init; } = "";

    /// <value>The parameter's position in the session, from 0; staggered refreshes spread by it.</value>
    public int Index { get; init; }

    /// <value>The session's seed.</value>
    public ulong Seed { get; init; }

    /// <value>The weight as the update finds it, decayed already where decay comes first, for the few rules whose step depends on it; null where a rule is
    /// called without one. Not to be changed.</value>
    public Tensor? Weight { get; init; }

    /// <value>What learning rate and weight decay of this step are multiplied by; null for 1. See <see cref="UpdateRule.RelativeRate"/>.</value>
    public Tensor? RelativeRate { get; init; }

    /// <value>The learning rate as a share of the initial one, where a rule moves something beside the weight at the same pace. Default 1.</value>
    public double LearningRateShare { get; init; } = 1;

    /// <value>β₁ in place of the rule's own, as schedules that cycle the momentum set it; null for the rule's own. See <see cref="UpdateRule.Betas"/>.</value>
    public double? Beta1 { get; init; }

    /// <value>β₂ in place of the rule's own, or null.</value>
    public double? Beta2 { get; init; }

    /// <value>Whether an all-zero gradient counts as a step; see <see cref="ParameterPlan.AcceptZeroGradient"/>.</value>
    public bool AcceptZeroGradient { get; init; }

    /// <value>What happened during the step, counted.</value>
    internal StepCounters? Counters { get; init; }

    /// <value>Set when the gradient has been judged already; null while nobody has looked.</value>
    internal GradientVerdict? Verdict { get; init; }

    /// <summary>An empty context; set at least <see cref="Step"/>.</summary>
    public StepContext() { }

    /// <summary>Uniform numbers in [0, 1) that depend on nothing but seed, parameter, <paramref name="purpose"/>, step and shape, so that resumed runs and
    /// replicas draw the same ones. Devices of different kinds draw different ones.</summary>
    /// <param name="purpose">What the numbers are for: "mask", "signs". Two draws for one purpose in one step are the same numbers.</param>
    /// <param name="shape">Any shape.</param>
    /// <param name="dtype">float32 or float64.</param>
    /// <param name="device">Where they are drawn: any device, where a generator of TorchSharp serves the CPU alone.</param>
    public Tensor Uniform(string purpose, long[] shape, ScalarType dtype, Device device)
    {
        using var generator = Generator(purpose);
        return generator.Uniform(shape, dtype, device);
    }

    /// <summary>Normal numbers of mean 0 and variance 1, otherwise like <see cref="Uniform"/>.</summary>
    /// <inheritdoc cref="Uniform"/>
    public Tensor Normal(string purpose, long[] shape, ScalarType dtype, Device device)
    {
        using var generator = Generator(purpose);
        return generator.Normal(shape, dtype, device);
    }

    /// <summary>A generator that depends on nothing but seed, parameter, purpose and step. The caller disposes it.</summary>
    internal Generator Generator(string purpose) => new(RandomKey.For(Seed, Parameter, purpose, Step, Part));

    /// <summary>Whether an update can be made from this gradient: it is finite, and not zero throughout. A refused gradient is counted.</summary>
    /// <param name="evidence">The gradient, or something smaller that is non-finite whenever the gradient is, such as its projection.</param>
    /// <param name="gradient">The gradient itself, where the evidence may be zero although the gradient is not.</param>
    /// <remarks>Ask before touching weight or state. On a GPU the optimizer judges all gradients at once, with one
    /// read per step, and the evidence is not looked at.</remarks>
    public bool Accepts(Tensor evidence, Tensor? gradient = null)
    {
        var verdict = Verdict ?? GradientCheck.Judge(evidence);
        if (verdict == GradientVerdict.Zero && Verdict is null && gradient is not null)
            verdict = GradientCheck.Judge(gradient);
        return Admits(verdict);
    }

    /// <summary>The same of a gradient in the processor's own memory.</summary>
    internal bool Accepts(in HostNumbers gradient) => Admits(Verdict ?? GradientCheck.Judge(gradient));

    /// <summary>Whether an update can be made from this gradient, for a rule that squares it and adds the squares up.</summary>
    /// <param name="evidence">As for <see cref="Accepts(Tensor, Tensor?)"/>; it may also be non-finite where the gradient is not, as squares may.</param>
    /// <param name="gradient">The gradient itself, where the evidence may be zero or non-finite although the gradient is not.</param>
    /// <param name="isHuge">Whether squares of it may overflow: then <see cref="GradientCheck.InRange"/> has to take its place.</param>
    internal bool AcceptsSquared(Tensor evidence, Tensor? gradient, out bool isHuge)
    {
        var verdict = Verdict ?? GradientCheck.Judge(evidence);
        if (verdict != GradientVerdict.Usable && Verdict is null && gradient is not null)
        {
            // Of two finite numbers that disagree, the gradient is the one to go by; NaN in what was made of a usable gradient is no overflow.
            var whole = GradientCheck.Judge(gradient);
            verdict = verdict == GradientVerdict.NonFinite && whole == GradientVerdict.Usable ? verdict : whole;
        }

        isHuge = verdict == GradientVerdict.Huge;
        return Admits(verdict);
    }

    /// <summary>The gradient in a size that can be squared and added up, in the dispose scope of the caller; null where no update can be made from
    /// it.</summary>
    internal Tensor? InRange(Tensor gradient) =>
        AcceptsSquared(gradient, null, out var isHuge) ? isHuge ? GradientCheck.InRange(gradient) : gradient : null;

    private bool Admits(GradientVerdict verdict)
    {
        if (verdict is GradientVerdict.Usable or GradientVerdict.Huge || (verdict == GradientVerdict.Zero && AcceptZeroGradient))
            return true;

        Counters?.Refuse(verdict);
        return false;
    }
}

/// <summary>What an optimizer counts over its life.</summary>
internal sealed class StepCounters
{
    public long ZeroGradients { get; private set; }

    public long NonFiniteGradients { get; private set; }

    public long Refreshes { get; private set; }

    /// <summary>All that has been counted; the counters start again.</summary>
    public long[] Take()
    {
        long[] counts = [ZeroGradients, NonFiniteGradients, Refreshes];
        (ZeroGradients, NonFiniteGradients, Refreshes) = (0, 0, 0);
        return counts;
    }

    /// <summary>Adds what <see cref="Take"/> gave, elsewhere too.</summary>
    public void Add(long[] counts) =>
        (ZeroGradients, NonFiniteGradients, Refreshes) = (ZeroGradients + counts[0], NonFiniteGradients + counts[1], Refreshes + counts[2]);

    public void Refuse(GradientVerdict verdict)
    {
        if (verdict == GradientVerdict.Zero)
            ZeroGradients++;
        else
            NonFiniteGradients++;
        Instruments.CountSkipped(verdict == GradientVerdict.Zero);
    }

    public void Refresh()
    {
        Refreshes++;
        Instruments.Refreshes.Count();
    }
}
