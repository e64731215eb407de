using LowRankTraining.Adapters;
using static TorchSharp.torch;

namespace LowRankTraining.Strategies;

/// <summary>A method that re-parameterizes the model: it puts parts of its own beside weights, or in their place.</summary>
/// <typeparam name="TOptions">Its options.</typeparam>
public abstract class WeightSpaceStrategy<TOptions> : ILowRankStrategy where TOptions : WeightSpaceMethod
{
    private protected WeightSpaceStrategy(string name, TOptions options) => (Name, Options) = (name, options);

    /// <inheritdoc/>
    public string Name { get; }

    /// <summary>Valid options.</summary>
    private protected TOptions Options { get; }

    /// <summary>What is done to a model.</summary>
    private protected abstract AdapterMethod Method { get; }

    /// <inheritdoc cref="ILowRankStrategy.Attach"/>
    /// <param name="model">The model. The optimizer is made after it has been moved to its device and dtype.</param>
    /// <param name="targets">The matrices to adapt; all linear weights but the output head when null.</param>
    public AdapterSession Attach(nn.Module model, Targets? targets = null) => AdapterPlanner.Attach(model, targets, Method, Options);

    ILowRankSession ILowRankStrategy.Attach(nn.Module model, Targets? targets) => Attach(model, targets);
}
