using LowRankTraining.Conformance.Battery;
using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Golden;

/// <summary>Recorded layers of low-rank factors and a sparse part.</summary>
public static class SparseFunctions
{
    /// <summary>The learnable scale of the authors' layer is tanh of a scalar; ours takes the value, and the scalar's gradient follows from that of B: s
    /// ∂L/∂s = Σ B ∂B.</summary>
    public static IReadOnlyList<Deviation> SparseLowRankLayer(GoldenCase golden)
    {
        using var scope = NewDisposeScope();
        var shape = golden["dense_w"].Shape;
        var scale = golden.Flag("hp.trainable_scaling") ? Math.Tanh(golden["scaling"].Values[0]) : golden.Number("hp.scale");
        using var layer = new SparseLowRankLinear(
            shape[1], shape[0], golden.Whole("hp.rank"), golden.Number("hp.density"), scale, hasBias: golden.Tensors.ContainsKey("bias"),
                device: TestDevice.Current);
        layer.load_state_dict(State(golden));

        var x = Trajectory.ToTensor(golden["x"]).requires_grad_();
        var y = layer.call(x);
        y.backward([Trajectory.ToTensor(golden["grad_y"])]);

        var results = new Dictionary<string, Tensor?>
        {
            ["y"] = y,
            ["dense_w"] = layer.EffectiveWeight(),
            ["grad_x"] = x.grad,
            ["grad_A"] = layer.lora_A.grad,
            ["grad_B"] = layer.lora_B.grad,
            ["grad_values"] = layer.sparse_values.grad,
            ["grad_bias"] = layer.bias?.grad,
            ["grad_scaling"] = (layer.lora_B * layer.lora_B.grad!).sum().mul((1 - scale * scale) / scale),
        };
        return [.. results.Where(result => golden.Tensors.ContainsKey(result.Key))
            .Select(result => Deviation.Of(result.Key, result.Value!, golden[result.Key]))];
    }

    private static Dictionary<string, Tensor> State(GoldenCase golden)
    {
        var state = new Dictionary<string, Tensor>
        {
            ["lora_A"] = Trajectory.ToTensor(golden["A"]),
            ["lora_B"] = Trajectory.ToTensor(golden["B"]),
            ["sparse_values"] = Trajectory.ToTensor(golden["values"]),
            ["sparse_indices"] = Trajectory.ToTensor(golden["indices"]).to(ScalarType.Int32),
        };
        if (golden.Tensors.ContainsKey("bias"))
            state["bias"] = Trajectory.ToTensor(golden["bias"]);
        return state;
    }
}
