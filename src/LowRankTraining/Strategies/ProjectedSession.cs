using LowRankTraining.Diagnostics;
using LowRankTraining.Layers;
using LowRankTraining.Numerics;
using LowRankTraining.Parts;
using Microsoft.Extensions.Logging;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Strategies;

/// <summary>A gradient-space session that takes the gradients of its projected weights in the backward pass.</summary>
internal sealed class ProjectedSession : ILowRankSession
{
    private readonly ILowRankSession _inner;
    private readonly Dictionary<string, GradientSink> _sinks = [];
    private readonly Dictionary<string, TappedLinear> _taps = [];
    private readonly Dictionary<string, string> _held = [];
    private readonly ILogger? _logger;
    private bool _knowsWhatRuns;

    private ProjectedSession(ILowRankSession inner, ILogger? logger) => (_inner, _logger) = (inner, logger);

    public string Strategy => _inner.Strategy;

    public ulong Seed => _inner.Seed;

    public ILowRankStrategy? Method => _inner.Method;

    public nn.Module? Model => _inner.Model;

    public bool IsMerged => _inner.IsMerged;

    public IReadOnlyList<Parameter>? FactorParameters => _inner.FactorParameters;

    public IReadOnlyList<ParameterPlan> Parameters => [.. _inner.Parameters.Select(plan =>
        _held.TryGetValue(plan.Name, out var reason) ? plan.WithNote($"whole gradient: {reason}")
        : plan with { Sink = _sinks.GetValueOrDefault(plan.Name) })];

    /// <exception cref="ArgumentException">The value is not one of the flows.</exception>
    /// <exception cref="NotSupportedException">No rule of the method can take gradients that way.</exception>
    public static void Require(ILowRankStrategy method, ILowRankSession session, GradientFlow gradients)
    {
        if (!Enum.IsDefined(gradients))
            throw new ArgumentException($"{gradients} is no {nameof(GradientFlow)}: take one of {string.Join(", ", Enum.GetNames<GradientFlow>())}.",
                nameof(gradients));

        var projecting = session.Parameters.Where(plan => plan.Rule is SubspaceRule).ToArray();
        if (projecting.Any(plan => plan.Rule.ObstacleToAccumulation is null))
            return;
        throw new NotSupportedException($"'{method.Name}' cannot take gradients by {nameof(GradientFlow)}.{gradients}, only by {GradientFlow.Whole}: "
            + $"{projecting.FirstOrDefault()?.Rule.ObstacleToAccumulation ?? "it projects none."}");
    }

    /// <summary>Hooks every layer whose weight is projected. One for which that is impossible goes on holding its gradient, with a note.</summary>
    public static ProjectedSession Over(nn.Module model, ILowRankSession inner, ILogger? logger)
    {
        var session = new ProjectedSession(inner, logger);
        try
        {
            var projected = inner.Parameters.Where(plan => plan.Rule is SubspaceRule).ToDictionary(plan => plan.Name);
            foreach (var candidate in NamedParameter.From(model.named_parameters(), ParameterPlace.In(model)))
                if (projected.TryGetValue(candidate.Name, out var plan))
                    session.Tap(candidate, plan);
        }
        catch
        {
            session.Unhook();
            throw;
        }

        session.Report();
        return session;
    }

    public void Join(ICollective world) => _inner.Join(world);

    public void BeforeStep()
    {
        BackwardFailure.OfThisThread.Rethrow();
        FindWhatRuns();
        _inner.BeforeStep();
    }

    public void AfterStep(in StepContext step, IOptimizerState state) => _inner.AfterStep(step, state);

    public void ResumeAt(long step, IOptimizerState state) => _inner.ResumeAt(step, state);

    public void Finish()
    {
        _inner.Finish();
        Unhook();
    }

    public void Dispose()
    {
        Unhook();
        _inner.Dispose();
    }

    private void Tap(NamedParameter weight, ParameterPlan plan)
    {
        if (ObjectionTo(weight, plan) is { } objection)
        {
            _held[plan.Name] = objection;
            return;
        }

        if (weight.Places[0].Module is Int8Linear quantized)
        {
            _sinks[plan.Name] = quantized.Sink;
            return;
        }

        var sink = new GradientSink();
        _taps[plan.Name] = TappedLinear.On(plan.Name, (Linear)weight.Places[0].Module!, sink);
        _sinks[plan.Name] = sink;
    }

    private static string? ObjectionTo(NamedParameter weight, ParameterPlan plan) => weight.Places[0].Module switch
    {
        _ when plan.Rule.ObstacleToAccumulation is { } obstacle => obstacle,
        _ when weight.IsShared => $"several modules share it: {string.Join(", ", weight.Names)}",
        Int8Linear => null,
        not Linear => "it is not the weight of a linear module",
        var linear when ForwardHooks.AnyOf(linear) && !TappedLinear.IsOn(linear) => "the layer has forward hooks of its own",
        _ => null,
    };

    /// <summary>After the first backward pass it is known which layers the model runs by their hooks.</summary>
    private void FindWhatRuns()
    {
        if (_knowsWhatRuns)
            return;

        _knowsWhatRuns = true;
        var passedBy = _taps.Where(tap => tap.Value.IsPassedBy).Select(tap => tap.Key).ToArray();
        foreach (var name in passedBy)
            _held[name] = "the model runs the layer by forward(), which passes hooks by";
        if (passedBy.Length > 0)
            Report();
    }

    private void Report()
    {
        if (_held.Count > 0)
            _logger?.GradientsHeld(Strategy, _held.Count, string.Join("; ", _held.Take(8).Select(held => $"{held.Key} ({held.Value})")));
    }

    private void Unhook()
    {
        foreach (var tap in _taps.Values)
            tap.Dispose();
        _taps.Clear();
    }
}
