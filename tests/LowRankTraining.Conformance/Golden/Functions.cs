using System.Globalization;
using LowRankTraining.Conformance.Battery;
using LowRankTraining.Layers;
using LowRankTraining.Numerics;
using LowRankTraining.Schedules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Golden;

/// <summary>Recorded functions: schedules, masks, layers.</summary>
public static class Functions
{
    public static IReadOnlyList<Deviation> Schedule(GoldenCase golden)
    {
        var recorded = golden["lr_multiplier"].Values;
        ILrSchedule schedule = golden.Text("hp.scheduler") switch
        {
            "cosine_restarts" => new JaggedCosineSchedule
            {
                TotalSteps = golden.Whole("hp.num_training_steps"),
                Warmup = golden.Whole("hp.warmup_steps"),
                RestartEvery = golden.Whole("hp.cycle_length"),
                RestartWarmup = golden.Whole("hp.restart_warmup_steps"),
                MinRatio = golden.Number("hp.min_lr_ratio"),
                AdjustStep = golden.Whole("hp.adjust_step"),
            },
            "cosine" => new CosineSchedule
            {
                TotalSteps = golden.Whole("hp.num_training_steps"),
                Warmup = golden.Whole("hp.warmup_steps"),
                MinRatio = golden.Number("hp.min_lr_ratio"),
                CycleLength = golden.Whole("hp.cycle_length"),
            },
            var other => throw new InvalidDataException($"Unknown scheduler '{other}'."),
        };

        return [Deviation.Of("lr_multiplier", [.. Enumerable.Range(0, recorded.Length).Select(step => schedule.Multiplier(step))], recorded)];
    }

    public static IReadOnlyList<Deviation> MagnitudePruning(GoldenCase golden)
    {
        using var scope = NewDisposeScope();
        return [.. golden.Tensors.Where(entry => entry.Key.StartsWith("pruned.", StringComparison.Ordinal)).Select(entry =>
        {
            var parts = entry.Key.Split('.', 3);
            var x = Trajectory.ToTensor(golden[$"x.{parts[1]}"]);
            var kept = x * MomentPruning.MagnitudeMask(x, double.Parse(parts[2], CultureInfo.InvariantCulture)).to(x.dtype);
            var largest = golden[$"x.{parts[1]}"].Values.Max(Math.Abs);
            return Deviation.Of(entry.Key, Deviation.Values(kept), entry.Value.Values, largest);
        })];
    }

    /// <summary>The learnable scale of the authors' layer is tanh of a scalar; ours takes the value.</summary>
    public static IReadOnlyList<Deviation> LowRankLayer(GoldenCase golden)
    {
        using var scope = NewDisposeScope();
        var shape = golden["w"].Shape;
        var source = nn.Linear(shape[1], shape[0], hasBias: golden.Tensors.ContainsKey("bias"), device: TestDevice.Current);
        var scale = golden.Flag("hp.trainable_scaling") ? Math.Tanh(golden["scaling"].Values[0]) : golden.Number("hp.scale");
        using var layer = new LowRankLinear(source, golden.Whole("hp.rank"), scale);
        using (no_grad())
        {
            layer.weight.copy_(Trajectory.ToTensor(golden["w"]));
            layer.lora_A.copy_(Trajectory.ToTensor(golden["A"]));
            layer.lora_B.copy_(Trajectory.ToTensor(golden["B"]));
            layer.bias?.copy_(Trajectory.ToTensor(golden["bias"]));
        }

        var x = Trajectory.ToTensor(golden["x"]).requires_grad_();
        var y = layer.call(x);
        y.backward([Trajectory.ToTensor(golden["grad_y"])]);

        var results = new Dictionary<string, Tensor?>
        {
            ["y"] = y,
            ["grad_x"] = x.grad,
            ["grad_A"] = layer.lora_A.grad,
            ["grad_B"] = layer.lora_B.grad,
            ["grad_bias"] = layer.bias?.grad,
            ["merged_w"] = layer.EffectiveWeight(),
        };
        return [.. results.Where(result => golden.Tensors.ContainsKey(result.Key))
            .Select(result => Deviation.Of(result.Key, result.Value!, golden[result.Key]))];
    }
}
