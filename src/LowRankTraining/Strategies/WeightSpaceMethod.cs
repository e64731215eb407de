using LowRankTraining.Adapters;
using LowRankTraining.Rules;
using Microsoft.Extensions.Logging;

namespace LowRankTraining.Strategies;

/// <summary>What the methods that put low-rank factors beside the weights have in common.</summary>
public abstract record WeightSpaceMethod
{
    /// <value>r, at least 1. Above a matrix's short side it is lowered to that side, with a warning.</value>
    public virtual int Rank { get; init; } = 128;

    /// <value>α; the factors' product is scaled by s = α/r, or α/√r with <see cref="RankStabilized"/>. s does not change when a rank is lowered. Above 0.</value>
    public virtual double Alpha { get; init; } = 32;

    /// <value>Whether s = α/√r, so that large ranks are not held back (Kalajdzievski, rsLoRA, arXiv 2312.03732). Default false.</value>
    public bool RankStabilized { get; init; }

    /// <value>Probability with which an input entry does not reach the factors, in [0, 1). Has no effect under <see cref="Injection.Shadow"/>. Default 0.</value>
    public double Dropout { get; init; }

    /// <value>How the factors enter the model. Default: layer by layer the first way that works.</value>
    public Injection Injection { get; init; }

    /// <value>Whether what is not adapted (embeddings, head, norms, biases) is trained too, by full-rank Adam. Default true; false freezes it, as is usual for fine-tuning.</value>
    public bool TrainOthers { get; init; } = true;

    /// <value>β₁ of Adam, in [0, 1). Default 0.9.</value>
    public double Beta1 { get; init; } = 0.9;

    /// <value>β₂ of Adam, in [0, 1). Default 0.999.</value>
    public double Beta2 { get; init; } = 0.999;

    /// <value>ε of Adam, above 0. Default 1e-8.</value>
    public double Epsilon { get; init; } = 1e-8;

    /// <value>Whether a rank above a matrix's short side is an error. Default false.</value>
    public bool Strict { get; init; }

    /// <value>Whether an adapted layer that the model has not run in the first two steps is reported and left alone, as an expert that is rarely chosen. Default false: it is an error.</value>
    public bool AllowUnreached { get; init; }

    /// <value>Seed of the factors, of random masks and of stochastic rounding. Default 0.</value>
    public ulong Seed { get; init; }

    /// <value>Where restarts and warnings are reported; null for nowhere.</value>
    public ILogger? Logger { get; init; }

    internal AdamRule Adam => new() { Beta1 = Beta1, Beta2 = Beta2, Epsilon = Epsilon };

    internal double Scale => ScaleAt(Rank);

    /// <summary>s for factors of a rank.</summary>
    internal double ScaleAt(int rank) => Alpha / (RankStabilized ? Math.Sqrt(rank) : rank);

    /// <summary>The rules that the options of every such method obey.</summary>
    internal OptionsRules Rules() => new OptionsRules()
        .AtLeast(1, Rank)
        .Above(0, Alpha)
        .Fraction(Dropout)
        .OneOf(Injection, Enum.GetValues<Injection>())
        .Fraction(Beta1)
        .Fraction(Beta2)
        .Above(0, Epsilon);
}
