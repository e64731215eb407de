using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace LanguageModel.Model;

/// <summary>Scales every feature vector to root mean square 1, then each feature by a learned gain.</summary>
/// <remarks>y = g · x / √(mean(x²) + ε), over the last dimension, computed in float32. Source: Zhang and Sennrich, arXiv 1910.07467.</remarks>
public sealed class RmsNorm : Module<Tensor, Tensor>
{
    private static readonly long[] LastDimension = [-1];

    private readonly Parameter weight;
    private readonly double epsilon;

    /// <summary>A norm over <paramref name="features"/> features, with gain 1.</summary>
    public RmsNorm(long features, double epsilon) : base(nameof(RmsNorm))
    {
        this.epsilon = epsilon;
        weight = Parameter(ones(features));
        RegisterComponents();
    }

    /// <inheritdoc/>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();

        var wide = input.to(ScalarType.Float32);
        var inverseRms = wide.square().mean(LastDimension, keepdim: true).add(epsilon).rsqrt();
        return (wide * inverseRms).to(input.dtype).mul(weight).MoveToOuterDisposeScope();
    }
}
