using System.Globalization;
using System.IO.Hashing;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Mpi.Tests.Worker;

/// <summary>A small regression on the lanes of a world.</summary>
internal sealed class Run : IDisposable
{
    public const int Last = 12, Middle = 7;

    private const int RowsOfLane = 8, Inputs = 12, Outputs = 8;

    private readonly ICollective _world;
    private readonly GradientFlow _gradients;

    public Run(string method, ICollective world, nn.Module<Tensor, Tensor>? model = null, GradientFlow gradients = GradientFlow.Whole)
    {
        (_world, _gradients) = (world, gradients);
        Model = model ?? NewModel();
        var strategy = LowRankStrategies.Create(method);
        Optimizer = Small(strategy).Attach(Model, null, gradients).CreateOptimizer(lr: 0.01, world, weight_decay: 0.1);
        Optimizer.CompareEvery = 5;
    }

    public nn.Module<Tensor, Tensor> Model { get; }

    public LowRankOptimizer Optimizer { get; }

    /// <value>A hash of all weights.</value>
    public string Weights
    {
        get
        {
            var hash = new XxHash3();
            foreach (var (_, tensor) in Model.state_dict().OrderBy(pair => pair.Key, StringComparer.Ordinal))
                hash.Append(tensor.bytes);
            return hash.GetCurrentHashAsUInt64().ToString("x16", CultureInfo.InvariantCulture);
        }
    }

    public static nn.Module<Tensor, Tensor> NewModel(int hidden = 24)
    {
        manual_seed(1);
        return nn.Sequential(("first", nn.Linear(Inputs, hidden)), ("active", nn.Tanh()), ("second", nn.Linear(hidden, Outputs)));
    }

    public void Steps(int first, int last)
    {
        for (var step = first; step <= last; step++)
        {
            Backward(step);
            if (_gradients == GradientFlow.Stepped)
                Optimizer.ClipByLastNorm = 0.1;
            else
                Optimizer.clip_grad_norm_(0.1);
            Optimizer.step();
        }
    }

    /// <summary>The backward passes of a step.</summary>
    public void Backward(int step)
    {
        using var scope = NewDisposeScope();
        var lanes = _world.Lanes / _world.Size;
        Optimizer.zero_grad();
        for (var lane = 0; lane < lanes; lane++)
        {
            (Loss(step, _world.Rank * lanes + lane) / lanes).backward();
            if (lane < lanes - 1)
                Optimizer.accumulate();
        }
    }

    public void Dispose()
    {
        Optimizer.Dispose();
        Model.Dispose();
    }

    private static ILowRankStrategy Small(ILowRankStrategy strategy) => strategy switch
    {
        Strategies.GradientSpaceMethod method => method with { Rank = 4, RefreshEvery = 5 },
        Strategies.LoRA method => method with { Rank = 4 },
        _ => strategy,
    };

    private Tensor Loss(int step, int lane)
    {
        using var generator = new Generator((ulong)(1000 * step + lane), CPU);
        var input = randn(RowsOfLane, Inputs, generator: generator);
        return (Model.call(input) - input.narrow(1, 0, Outputs).sin()).square().mean();
    }
}
