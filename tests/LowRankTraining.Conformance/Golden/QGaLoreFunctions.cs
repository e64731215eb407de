using LowRankTraining.Layers;
using LowRankTraining.Parts;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Golden;

/// <summary>Recorded parts of Q-GaLore: the schedule of its refreshes and its 8-bit layer.</summary>
public static class QGaLoreFunctions
{
    /// <summary>The first singular vectors are given; a subspace of one dimension is all that the authors' rule sees of them.</summary>
    public static IReadOnlyList<Deviation> AdaptiveGap(GoldenCase golden)
    {
        using var scope = NewDisposeScope();
        using var state = new StateBag();
        var policy = new LazyRefresh
        {
            Every = golden.Whole("hp.initial_gap"),
            Growth = golden.Number("hp.gamma"),
            Threshold = golden.Number("hp.cos_threshold"),
            Remembered = golden.Whole("hp.queue_size"),
            Compatibility = Compatibility.ReferenceCode,
        };

        var vectors = Trajectory.ToTensor(golden["vectors"]);
        List<double[]> rows = [[1, 0, policy.Every, policy.Every, 0, 0]];
        for (var iteration = 1; rows.Count < vectors.shape[0]; iteration++)
        {
            if (!policy.IsDue(iteration, 0, state))
                continue;

            var change =
                new SubspaceChange(Line(vectors, rows.Count - 1), Line(vectors, rows.Count), vectors.shape[1], 1, new AdamRule(), state,
                    new() { Step = iteration });
            policy.Renewed(change, iteration);
            rows.Add(Row(state, policy, iteration, gapBefore: rows[^1][3]));
        }

        string[] names = ["measured_cosine", "refresh_iteration", "gap_before", "gap_after", "queue_length", "queue_mean"];
        return [.. names.Select((name, column) => Deviation.Of(name, [.. rows.Select(row => row[column])], golden[name].Values))];
    }

    public static IReadOnlyList<Deviation> Int8Layer(GoldenCase golden)
    {
        using var scope = NewDisposeScope();
        var (shape, hasBias) = (golden["codes"].Shape, golden.Tensors.ContainsKey("bias"));
        using var layer = new Int8Linear(nn.Linear(shape[1], shape[0], hasBias), golden.Whole("hp.group"));
        var state = new Dictionary<string, Tensor>
        {
            ["weight"] = empty(0),
            ["weight_codes"] = Trajectory.ToTensor(golden["codes"]).to(ScalarType.Byte),
            ["weight_scales"] = Trajectory.ToTensor(golden["scales"]),
            ["weight_zeros"] = Trajectory.ToTensor(golden["zeros"]).to(ScalarType.Byte),
        };
        if (hasBias)
            state["bias"] = Trajectory.ToTensor(golden["bias"]);
        layer.load_state_dict(state);

        var x = Trajectory.ToTensor(golden["x"]).requires_grad_();
        var y = layer.call(x);
        y.backward([Trajectory.ToTensor(golden["grad_y"])]);

        return
        [
            Deviation.Of("y", y, golden["y"]),
            Deviation.Of("grad_x", x.grad!, golden["grad_x"]),
            Deviation.Of("grad_w", layer.weight.grad!, golden["grad_w"]),
            .. hasBias ? [Deviation.Of("grad_bias", layer.bias!.grad!, golden["grad_bias"])] : Array.Empty<Deviation>(),
        ];
    }

    private static Projection Line(Tensor vectors, long row) => Projection.Of((vectors[row] / vectors[row].norm()).unsqueeze(1), null);

    private static double[] Row(StateBag state, LazyRefresh policy, long iteration, double gapBefore)
    {
        var pushed = state.Counter("refresh_remembered");
        var length = Math.Min(pushed, policy.Remembered);
        var queue = state["refresh_similarities"];
        return
        [
            queue[(pushed - 1) % policy.Remembered].ToDouble(), iteration, gapBefore, state.Counter("refresh_gap"), length,
            queue.narrow(0, 0, length).mean().ToDouble(),
        ];
    }
}
