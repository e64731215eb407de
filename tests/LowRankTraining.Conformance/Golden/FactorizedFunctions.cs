using System.Globalization;
using LowRankTraining.Adapters;
using LowRankTraining.Factorized;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Golden;

/// <summary>Recorded decisions on ranks: InRank's growth, WeLore's reduction.</summary>
public static class FactorizedFunctions
{
    /// <summary>Fixed factors of rank R, of which the first c + b take part.</summary>
    public static IReadOnlyList<Deviation> InRankDecision(GoldenCase golden)
    {
        using var scope = NewDisposeScope();
        var (a, b) = (Trajectory.ToTensor(golden["A"]), Trajectory.ToTensor(golden["B"]));
        var limit = Math.Min(a.shape[1], b.shape[0]);
        var growth = new GrowthRule(
            golden.Whole("hp.init_modes"), golden.Whole("hp.buffer_modes"), (double)golden.Whole("hp.max_modes") / limit, golden.Number("hp.explained_ratio_threshold"), Compatibility.ReferenceCode);
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
        deviations.Add(Deviation.Of("truncated_factor_norms", [reduced.A.norm().ToDouble(), reduced.B.norm().ToDouble()], golden["truncated_factor_norms"].Values));
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

        Deviation Ratios(string name, GrowthRule measure, double[] values) =>
            Deviation.Of(name, [.. Enumerable.Range(0, (int)limit).Select(count => measure.Explained(values, count, limit))], golden[name].Values);

        Tensor Active(Tensor factor, long dimension, long known) => factor.narrow(dimension, 0, growth.Active(known, limit)).contiguous();

        Tensor Output(long active)
        {
            using var guard = no_grad();
            var layer = new FactorizedLinear(a.shape[1], b.shape[0], (int)active, device: a.device);
            layer.factor_U.copy_(b.narrow(1, 0, active));
            layer.factor_V.copy_(a.narrow(0, 0, active));
            layer.bias!.copy_(Trajectory.ToTensor(golden["bias"]));
            return layer.call(Trajectory.ToTensor(golden["x"]));
        }
    }

    /// <summary>The recorded thresholds, and our search for the one that gives the recorded share.</summary>
    public static IReadOnlyList<Deviation> WeLoreRanks(GoldenCase golden)
    {
        using var scope = NewDisposeScope();
        string[] names = [.. from layer in new[] { 0, 1 } from part in new[] { "self_attn.q_proj", "self_attn.v_proj", "mlp.up_proj", "mlp.down_proj" } select $"{layer}.{part}"];
        var weights = names.Select(name => Trajectory.ToTensor(golden[$"w.{name}"])).ToArray();
        var spectra = weights.Select(Spectrum.Of).ToArray();

        var deviations = names.Zip(spectra).Select(pair => Deviation.Of($"singular_values.{pair.First}", [.. pair.Second.Values], golden[$"singular_values.{pair.First}"].Values)).ToList();
        var thresholds = golden.Text("hp.thresholds").Split(',').Select(text => double.Parse(text, CultureInfo.InvariantCulture)).ToArray();
        for (var i = 0; i < thresholds.Length; i++)
        {
            var share = golden[$"reduced_fraction.{i}"].Values[0];
            double[] reduction = [.. spectra.Select(spectrum => (double)spectrum.Below(thresholds[i]))];
            var plan = WeLorePlan.Of(names.Zip(weights, spectra).Select(matrix => (matrix.First, (matrix.Second.shape[0], matrix.Second.shape[1]), matrix.Third)), ratio: share);

            deviations.Add(Deviation.Of($"reduction.{i}", reduction, golden[$"reduction.{i}"].Values));
            deviations.Add(Deviation.Of($"reduced_fraction.{i}", [plan.Reduced], [share]));
            deviations.Add(Deviation.Of($"kept_rank.{i}", [.. plan.Layers.Select(layer => (double)layer.Rank)], golden[$"kept_rank.{i}"].Values));
        }

        var ranks = golden["kept_rank.2"].Values;
        foreach (var (name, weight, rank) in names.Zip(weights, ranks))
        {
            var layer = new FactorizedLinear(nn.Linear(new Parameter(weight.clone())), (int)rank);
            deviations.Add(Deviation.Of($"approximation.{name}", layer.EffectiveWeight(), golden[$"approximation.{name}"]));
        }

        return deviations;
    }
}
