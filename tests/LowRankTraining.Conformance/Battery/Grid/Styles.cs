using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Battery.Grid;

/// <summary>The ways to write a model that the grid goes through.</summary>
internal static class Styles
{
    public const string ForwardedLinears = "Linear fields run by forward";

    public static readonly IReadOnlyDictionary<string, Style> ByName = new Dictionary<string, Style>
    {
        ["Sequential"] = new(LinearModels.Sequence, Rows),
        ["Module fields"] = new(() => new LinearModels.Fields(), Rows),
        ["Linear fields run by call"] = new(() => new LinearModels.CalledLinears(), Rows),
        [ForwardedLinears] = new(() => new LinearModels.ForwardedLinears(), Rows),
        ["ModuleList"] = new(() => new LinearModels.List(), Rows),
        ["ModuleDict"] = new((device, dtype) => new LinearModels.Dictionary(device, dtype), Rows),
        ["module under two names"] = new(() => new LinearModels.TwoNames(), Rows),
        ["block used twice"] = new(() => new LinearModels.ReusedBlock(), Rows),
        ["Embedding"] = new(() => new OtherModels.Table(), Text),
        ["tied embedding and head"] = new((device, dtype) => new OtherModels.TiedHead(device, dtype), Text),
        ["tied head as a target"] = new((device, dtype) => new OtherModels.TiedHead(device, dtype), Text) { Targets = Targets.Matching("mixer", "output") },
        ["Conv1d"] = new(OtherModels.Signals, () => Draw(6, OtherModels.Channels, 8)) { Targets = Targets.AllMatrices() },
        ["Conv2d"] = new(OtherModels.Images, () => Draw(6, OtherModels.Channels, 4, 4)) { Targets = Targets.AllMatrices() },
        ["depthwise Conv2d"] = new(OtherModels.Depthwise, () => Draw(6, OtherModels.Channels, 4, 4)) { Targets = Targets.AllMatrices() },
        ["MultiheadAttention"] = new(() => new OtherModels.Attention(), Sequences) { Targets = Targets.AllMatrices() },
        ["TransformerEncoderLayer"] = new(() => new OtherModels.Encoder(), Sequences) { Targets = Targets.AllMatrices() },
        ["GRU"] = new(() => new OtherModels.Recurrence(), Sequences) { Targets = Targets.AllMatrices() },
    };

    private static Tensor Rows() => Draw(16, LinearModels.Inputs);

    private static Tensor Text() => arange(4 * 5, ScalarType.Int64).mul_(7).remainder_(OtherModels.Tokens).reshape(4, 5).to(TestDevice.Current);

    private static Tensor Sequences() => Draw(5, 4, OtherModels.Width);

    private static Tensor Draw(params long[] shape) =>
        Problems.Data(shape[0], shape[1..].Aggregate(1L, (product, side) => product * side), seed: 20).reshape(shape);
}
