using LowRankTraining.Schedules;
using static TorchSharp.torch;

namespace LowRankTraining.Extensions.Hosting;

/// <summary>What a section of configuration says about training: the method with its options, and how fast it goes.</summary>
/// <remarks>All keys but these are options of the method:
/// <code>
/// "Training": { "Method": "fira", "Rank": 128, "States": "8bit", "LearningRate": 0.01, "Schedule": { "Kind": "cosine", "TotalSteps": 10000 } }
/// </code></remarks>
public sealed class LowRankTrainingOptions
{
    /// <value>The method, which reports to the program's loggers.</value>
    public ILowRankStrategy? Method { get; set; }

    /// <value>η, at least 0. Default 0.001, as in TorchSharp; the page of each method says what it is usually trained with.</value>
    public double LearningRate { get; set; } = 1e-3;

    /// <value>λ, decoupled weight decay, at least 0. Default 0, as in TorchSharp.</value>
    public double WeightDecay { get; set; }

    /// <value>What becomes of the learning rate over the steps, or null for a constant one. Default null.</value>
    public ILrSchedule? Schedule { get; set; }

    /// <value>Parts of the names of the matrices that the method is for. Default: none, the method's own choice.</value>
    public IReadOnlyList<string> Targets { get; set => field = value ?? []; } = [];

    /// <value>Parts of the names of matrices that it is not for, out of <see cref="Targets"/> or of the method's own choice. Default: none.</value>
    public IReadOnlyList<string> Except { get; set => field = value ?? []; } = [];

    /// <value>What becomes of gradients in the backward pass: "whole", "projected" or "stepped". Default: whole gradients.</value>
    public GradientFlow Gradients { get; set; }

    /// <summary>Puts the method to work on a model, and makes the optimizer.</summary>
    /// <param name="model">The model, on its device and in its dtype.</param>
    /// <exception cref="InvalidOperationException"><see cref="Method"/> is null.</exception>
    /// <exception cref="NotSupportedException">The method cannot take gradients as <see cref="Gradients"/> says. Nothing was changed.</exception>
    public LowRankOptimizer CreateOptimizer(nn.Module model) =>
        (Method ?? throw new InvalidOperationException("There is no Method: configure one."))
            .Attach(model, Chosen, Gradients).CreateOptimizer(LearningRate, WeightDecay);

    /// <summary>The schedule on an optimizer, or null where there is none.</summary>
    /// <param name="optimizer">What <see cref="CreateOptimizer"/> has made.</param>
    public BoundSchedule? BindSchedule(LowRankOptimizer optimizer)
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        return Schedule?.Bind(optimizer, optimizer.CompletedSteps);
    }

    private Targets? Chosen => (Targets.Count, Except.Count) switch
    {
        (0, 0) => null,
        (0, _) => LowRankTraining.Targets.Default().Except([.. Except]),
        (_, 0) => LowRankTraining.Targets.Matching([.. Targets]),
        _ => LowRankTraining.Targets.Matching([.. Targets]).Except([.. Except]),
    };
}
