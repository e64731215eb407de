using LowRankTraining;
using LowRankTraining.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace CustomStrategy;

/// <summary>Trains a small network with any method, saves in the middle, and trains the second half twice: on, and from the checkpoint.</summary>
public static class Walkthrough
{
    private const int Half = 100;

    /// <summary>Runs it, and says what it comes to.</summary>
    /// <returns>The loss of the first step, of the last one, and of the last one after the resume, which is the same.</returns>
    public static (float First, float Last, float Resumed) Run(ILowRankStrategy method, double learningRate, string folder, TextWriter output)
    {
        using var model = Network();
        using var optimizer = method.Attach(model).CreateOptimizer(learningRate);
        var first = Train(model, optimizer, 0, Half);
        TrainingCheckpoint.Save(folder, model, optimizer);
        var last = Train(model, optimizer, Half, 2 * Half);
        output.WriteLine($"{method.Name}: loss {first[0]:f4} at the first step, {first[^1]:f4} after {Half}, {last[^1]:f4} after {2 * Half}; "
            + $"optimizer state {optimizer.StateBytes / 1024.0:f0} KiB");

        using var other = Network();
        using var resumed = method.Attach(other).CreateOptimizer(learningRate);
        TrainingCheckpoint.Load(folder, other, resumed);
        var again = Train(other, resumed, Half, 2 * Half);
        output.WriteLine($"{method.Name}: {again[^1]:f4} after {2 * Half}, resumed from the checkpoint of step {Half}: "
            + $"{(again.SequenceEqual(last) ? "the same run, bit for bit" : "another run")}");
        return (first[0], last[^1], again[^1]);
    }

    private static List<float> Train(nn.Module<Tensor, Tensor> model, LowRankOptimizer optimizer, int from, int to) =>
        [.. Enumerable.Range(from, to - from).Select(step => Step(model, optimizer, step))];

    private static float Step(nn.Module<Tensor, Tensor> model, LowRankOptimizer optimizer, int step)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator((ulong)step + 1, CPU);
        var input = randn(64, 32, generator: generator);
        var target = input.roll(1, 1).mul(input).sin();

        optimizer.zero_grad();
        var loss = nn.functional.mse_loss(model.call(input), target);
        loss.backward();
        optimizer.step();
        return loss.ToSingle();
    }

    private static nn.Module<Tensor, Tensor> Network()
    {
        manual_seed(1);
        return nn.Sequential(("first", nn.Linear(32, 256)), ("active", nn.GELU()), ("second", nn.Linear(256, 32)));
    }
}
