using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Golden;

/// <summary>Recorded decisions of InRank on how many factors take part.</summary>
public static class InRankFunctions
{
    /// <summary>Fixed factors of rank R, of which the first c + b take part.</summary>
    public static IReadOnlyList<Deviation> Decision(GoldenCase golden)
    {
        using var scope = NewDisposeScope();
        var (a, b) = (Trajectory.ToTensor(golden["A"]), Trajectory.ToTensor(golden["B"]));
        var limit = Math.Min(a.shape[1], b.shape[0]);
        var growth = new RankGrowth(
            golden.Whole("hp.init_modes"), golden.Whole("hp.buffer_modes"), (double)golden.Whole("hp.max_modes") / limit,
                golden.Number("hp.explained_ratio_threshold"), Compatibility.ReferenceCode);
        var published = growth with { Compatibility = Compatibility.Paper };

        var deviations = new List<Deviation>();
        var (modes, check) = (growth.ModesAtFirst(limit), 0);
        deviations.Add(Deviation.Of("y.first", Output(growth.Active(modes, limit)), golden["y.first"]));

        var calls = golden["modes_after_forward"].Values;
        for (var call = 1; call <= calls.Length; call++)
        {
            if (call > golden.Whole("hp.warmup_iter") && call % golden.Whole("hp.gap_iter") == 0)
                modes = Check(check++, modes);
            deviations.Add(Deviation.Of($"modes after {call}", [modes], [calls[call - 1]]));
        }

        using var reduced = RankReduction.Reduce(Active(a, 0, modes), Active(b, 1, modes), modes);
        deviations.Add(Deviation.Of("y.last", Output(growth.Active(modes, limit)), golden["y.last"]));
        deviations.Add(Deviation.Of("truncated_w", reduced.B.mm(reduced.A), golden["truncated_w"]));
        deviations.Add(
            Deviation.Of("truncated_factor_norms", [reduced.A.norm().ToDouble(), reduced.B.norm().ToDouble()], golden["truncated_factor_norms"].Values));
        return deviations;

        long Check(int index, long before)
        {
            var values = Deviation.Values(RankReduction.SingularValues(Active(a, 0, before), Active(b, 1, before)));
            var recorded = golden[$"check.{index}.singular_values"].Values;
            deviations.Add(Deviation.Of($"check.{index}.singular_values", [.. values, .. new double[recorded.Length - values.Length]], recorded));
            deviations.Add(Ratios($"check.{index}.ratio", growth, values));
            deviations.Add(Ratios($"check.{index}.energy_ratio", published, values));

            var after = growth.Next(values, before, limit);
            deviations.Add(Deviation.Of($"check.{index}.modes", [before, after], golden[$"check.{index}.modes"].Values));
            return after;
        }

        Deviation Ratios(string name, RankGrowth measure, double[] values) =>
            Deviation.Of(name, [.. Enumerable.Range(0, (int)limit).Select(count => measure.Explained(values, count, limit))], golden[name].Values);

        Tensor Active(Tensor factor, long dimension, long known) => factor.narrow(dimension, 0, growth.Active(known, limit)).contiguous();

        Tensor Output(long active)
        {
            using var guard = no_grad();
            var bias = golden.Tensors.GetValueOrDefault("bias");
            var layer = new FactorizedLinear(a.shape[1], b.shape[0], (int)active, hasBias: bias is not null, device: a.device);
            layer.factor_U.copy_(b.narrow(1, 0, active));
            layer.factor_V.copy_(a.narrow(0, 0, active));
            if (bias is not null)
                layer.bias!.copy_(Trajectory.ToTensor(bias));
            return layer.call(Trajectory.ToTensor(golden["x"]));
        }
    }
}
