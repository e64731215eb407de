using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining;

/// <content>Gradients of a loss that was multiplied by a number.</content>
public sealed partial class LowRankOptimizer
{
    /// <value>Whether the last step that a <see cref="LossScaler"/> was asked for was left out.</value>
    internal bool LeftOutLast { get; set; }

    private double _divisor = 1;

    /// <value>Whether the gradients that wait have been divided since the last step.</value>
    internal bool IsDivided { get; private set; }

    /// <summary>Divides what waits for the step: what has been accumulated now, gradients when they are used, in computing precision.</summary>
    internal void DivideGradients(double divisor)
    {
        RequireLiveParameters();
        RequireGradientsHeld(nameof(LossScaler), $"Attach with {nameof(GradientFlow)}.{GradientFlow.Projected} or {GradientFlow.Whole}.");
        if (IsDivided)
            throw new InvalidOperationException("The gradients have been unscaled already since the last step: call unscale_ once, after the last backward "
                + "pass of the window. Nothing was changed.");

        using var guard = no_grad();
        if (LanesHere > 1)
            TakeIn();
        foreach (var entry in _entries)
        {
            foreach (var waiting in Taken(entry))
                waiting?.mul_(1 / divisor);
            ChangeSinceSent(entry);
        }

        (_divisor, IsDivided) = (LanesHere > 1 ? 1 : divisor, true);
    }

    /// <summary>What the optimizer has taken of a parameter's gradients: accumulated, and lane by lane.</summary>
    private static IEnumerable<Tensor?> Taken(ParameterState entry) => entry.Lanes.Tensors.Append(AccumulatedIn(entry));

    /// <summary>Whether all that waits for the step is finite, on every process.</summary>
    internal bool HasFiniteGradients()
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var waiting = _entries.Where(entry => entry.Parameter.requires_grad)
            .SelectMany(entry => Taken(entry).Append(DenseGradient(entry))).OfType<Tensor>().ToArray();
        var isFinite = LocalTokens == 0 || waiting.Length == 0 || !GradientCheck.JudgeAll(waiting).Contains(GradientVerdict.NonFinite);
        return _world is not { Size: > 1 } ? isFinite : Array.TrueForAll(Gathered([isFinite ? (byte)1 : (byte)0]), message => message[0] == 1);
    }
}
