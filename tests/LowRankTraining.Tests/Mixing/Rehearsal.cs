using LowRankTraining.Mixing;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Mixing;

/// <summary>A mixer over one parameter whose gradients are given, in place of a model and its losses.</summary>
internal sealed class Rehearsal : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();

    public Rehearsal(int size, GradientAlignmentOptions? options = null, Func<Parameter, GradientView>? view = null, long warmup = 0, params string[] sources)
    {
        Parameter = new Parameter(zeros(size));
        Mixer = new GradientAlignmentMixer(sources is [] ? ["a", "b"] : sources, view?.Invoke(Parameter) ?? GradientView.Of([Parameter]),
            (options ?? new()) with { Warmup = warmup });
    }

    public Parameter Parameter { get; }

    public GradientAlignmentMixer Mixer { get; }

    /// <summary>An update of one micro-batch.</summary>
    public void Update(string source, params float[] gradient)
    {
        Parameter.grad = null;
        Add(source, gradient);
        Mixer.Update();
    }

    /// <summary>A micro-batch whose backward pass adds to the gradient.</summary>
    public void Add(string source, params float[] gradient) => Mixer.Observe(source, () =>
    {
        using var scope = NewDisposeScope();
        Parameter.grad = (Parameter.grad is { } sum ? sum + tensor(gradient) : tensor(gradient)).MoveToOuterDisposeScope();
    });

    public double? RewardOf(string source) => Mixer.Mixture.Single(share => share.Source == source).Reward;

    public double ProbabilityOf(string source) => Mixer.Mixture.Single(share => share.Source == source).Probability;

    public void Dispose()
    {
        Mixer.Dispose();
        _scope.Dispose();
    }
}
