using System.Globalization;
using LowRankTraining.Conformance.Battery;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Golden;

/// <summary>Feeds recorded gradients to an optimizer and compares weights, bases and state with the recorded ones.</summary>
public static class Trajectory
{
    private const string Weight = "w";

    public delegate ILowRankSession Attach(IEnumerable<(string name, Parameter parameter)> parameters, Targets? targets);

    /// <summary>Compares what else was recorded after step t.</summary>
    public delegate IEnumerable<Deviation> Traces(int t, StateBag state);

    /// <summary>Replays a case.</summary>
    /// <param name="golden">The case.</param>
    /// <param name="attach">Makes the session.</param>
    /// <param name="decays">Whether recorded weight decay is applied.</param>
    /// <param name="drifts">Whether the basis moves after each update without being found again: what is stored after step t is then the basis of step t +
    /// 1.</param>
    /// <param name="chosen">Whether the weight is what the method is for; null where a rank tells.</param>
    /// <param name="drawn">Whether the recorded bases are put in, instead of compared.</param>
    /// <param name="traces">More to compare; null for nothing.</param>
    /// <param name="momentScale">What the recorded first moment has been multiplied by, where the learning rate is inside it, or it is a sum where ours is an
    /// average.</param>
    public static IReadOnlyList<Deviation> Replay(
        GoldenCase golden, Attach attach, bool decays = true, bool drifts = false, bool? chosen = null, bool drawn = false, Traces? traces = null,
        double momentScale = 1)
    {
        using var scope = NewDisposeScope();
        var weight = new Parameter(ToTensor(golden["w.0"]));

        // The plain AdamW of the authors is GaLore's rule for whatever is not projected: a second, projected parameter that never gets a gradient makes room
        // for it.
        var projected = chosen ?? (golden.Has("hp.rank") || golden.Has("hp.density"));
        var bystander = new Parameter(zeros(2, 2, device: TestDevice.Current));
        var targets = Targets.Matching(projected ? Weight : "bystander");
        var decay = decays && golden.Has("hp.weight_decay") ? golden.Number("hp.weight_decay") : 0;

        using var optimizer = attach([(Weight, weight), ("bystander", bystander)], targets)
            .CreateOptimizer(golden.Has("hp.lr") ? golden.Number("hp.lr") : 1, decay);
        var state = optimizer.StateOf(weight);
        var deviations = new List<Deviation>();
        var start = golden["w.0"].Values;

        for (var t = 1; t <= golden.Whole("steps"); t++)
        {
            weight.grad = ToTensor(golden[$"g.{t}"]);
            optimizer.step();

            var recorded = golden[$"w.{t}"].Values;
            var moved = recorded.Zip(start, (now, before) => Math.Abs(now - before)).Max();
            deviations.Add(Deviation.Of($"w.{t}", Deviation.Values(weight), recorded, moved));
            if (!drawn)
                deviations.AddRange(Bases(golden, state, drifts ? t + 1 : t));
            deviations.AddRange(LimiterNorm(golden, state, t));
            deviations.AddRange(traces?.Invoke(t, state) ?? []);
        }

        deviations.AddRange(States(golden, state, momentScale));
        if (golden.Tensors.TryGetValue("step", out var clock))
            deviations.Add(Deviation.Of("step", [state.Counter("step")], clock.Values));
        if (!drifts)
            deviations.Add(RefreshSteps(golden, optimizer.Refreshes));
        return deviations;
    }

    /// <summary>Quantized states are recorded as <c>NAME.codes</c> and <c>NAME.absmax</c>.</summary>
    private static IEnumerable<Deviation> States(GoldenCase golden, StateBag state, double momentScale) =>
        from slot in state.Tensors
        let recorded = slot.Value.dtype == ScalarType.Byte ? slot.Key + ".codes" : slot.Key
        where golden.Tensors.ContainsKey(recorded) && slot.Value.dim() > 0
        let scale = recorded is "exp_avg" or "momentum_buffer" ? momentScale : 1
        select Deviation.Of(recorded, [.. Deviation.Values(slot.Value).Select(value => scale * value)], golden[recorded].Values);

    /// <summary>A right basis is recorded as rank × columns, and kept as columns × rank.</summary>
    private static IEnumerable<Deviation> Bases(GoldenCase golden, StateBag state, int t)
    {
        (string Recorded, string Ours, bool IsRight)[] bases =
            [($"basis.{t}", "basis", IsRight(golden)), ($"basis.{t}.left", "basis_left", false), ($"basis.{t}.right", "basis_right", true)];

        foreach (var (recorded, ours, isRight) in bases)
            if (golden.Tensors.TryGetValue(recorded, out var expected))
            {
                var kept = state[ours];
                using var transposed = kept.dim() == 2 ? kept.t() : null;
                var isTransposed = transposed is not null && (kept.shape[0] == kept.shape[1] ? isRight : !kept.shape.SequenceEqual(expected.Shape));
                yield return Deviation.Of(recorded, isTransposed ? transposed! : kept, expected);
            }
    }

    private static bool IsRight(GoldenCase golden) => golden.Has("hp.proj_type") && golden.Text("hp.proj_type") switch
    {
        "right" => true,
        "std" => golden["w.0"].Shape[0] >= golden["w.0"].Shape[1],
        "reverse_std" => golden["w.0"].Shape[0] < golden["w.0"].Shape[1],
        _ => false,
    };

    private static IEnumerable<Deviation> LimiterNorm(GoldenCase golden, StateBag state, int t)
    {
        if (golden.Tensors.TryGetValue("limiter_norm", out var recorded))
            yield return Deviation.Of($"limiter_norm after {t}", [state["limiter_norm"].ToDouble()], [recorded.Values[t - 1]], recorded.Values.Max(Math.Abs));
    }

    private static Deviation RefreshSteps(GoldenCase golden, long refreshes)
    {
        var recorded = golden.Has("refresh_steps")
            ? golden.Text("refresh_steps").Split(',').Length
            : Enumerable.Range(1, golden.Whole("steps")).Count(t => golden.Tensors.ContainsKey($"basis.{t}"));
        return new($"{refreshes.ToString(CultureInfo.InvariantCulture)} refreshes, {recorded} recorded", refreshes == recorded ? 0 : double.PositiveInfinity);
    }

    public static Tensor ToTensor(GoldenTensor golden) =>
        tensor(golden.Values, ScalarType.Float64).reshape(golden.Shape).to(ScalarType.Float32).to(TestDevice.Current);
}
