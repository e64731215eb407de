using LowRankTraining.Layers;
using LowRankTraining.Strategies;

namespace LowRankTraining.Conformance.Battery.Grid;

/// <summary>Every combination of the grid that is refused. What stands nowhere here must work.</summary>
internal static class Refusals
{
    private const string Shared = "several modules share it: tokens.weight, output.weight";

    private static readonly string[]
        TypedFields = ["Linear fields run by call", Styles.ForwardedLinears],
        TiedTarget = ["tied head as a target"],
        NotLinear = ["Conv1d", "Conv2d", "depthwise Conv2d", "MultiheadAttention", "TransformerEncoderLayer", "GRU"];

    private static readonly string[]
        LayersOfTheirOwn =
        [
            "spectron", "spectron, exact, 8-bit momentum", "factorized", "factorized, decomposed anew", "factorized, random", "cola", "welore",
            "inrank", "inrank, kept weight", "inrank, as the code measures",
        ],
        AskedToReplace = ["relora", "lora, falling rank", "lora, NF4, falling rank", "lora, growing rank"],
        AskedToHook = ["relora, hook", "lora+, hook", "lora, OLoRA, hook", "lora, falling rank, hook"],
        NeverShadowed = ["prilora, hook", "dora", "dora, hook, full gradient", "dora, projected", "switchlora", "switchlora, hook, ever rarer"],
        LeaveTheWeight = ["lora, PiSSA", "lora, NF4, PiSSA"];

    public static readonly IReadOnlyList<Refusal> All =
    [
        new(TypedFields, LayersOfTheirOwn, "is of type Linear", "Module<Tensor, Tensor>",
            _ => new Run(Styles.ByName["Module fields"], Methods.Make("factorized"))),
        new(TypedFields, LayersOfTheirOwn, "is of type Linear", "GaLore",
            style => new Run(style, Methods.Make("galore"))),
        new(NotLinear, LayersOfTheirOwn, "not the weight of a linear module", "Targets.Except",
            style => new Run(style with { Targets = Targets.AllLinear() }, Methods.Make("factorized"))),
        new(NotLinear, LayersOfTheirOwn, "not the weight of a linear module", "LoRA under Injection.Shadow",
            style => new Run(style, Methods.Make("lora+, shadow"))),

        new(TypedFields, AskedToReplace, "is of type Linear", "Injection.Auto, which comes to Injection.Hook;",
            style => new Run(style, LoRA(Injection.Auto))),
        new(["Linear fields run by call"], ["prilora"], "is of type Linear", "Injection.Auto, which comes to Injection.Hook and needs",
            style => new Run(style, PriLoRA(Injection.Auto))),
        new([Styles.ForwardedLinears], ["prilora"], "is of type Linear", "Module<Tensor, Tensor>",
            _ => new Run(Styles.ByName["Module fields"], PriLoRA(Injection.Replace))),
        new(NotLinear, [.. AskedToReplace, .. AskedToHook], "not the weight of a linear module", "Injection.Auto, which comes to Injection.Shadow;",
            style => new Run(style, LoRA(Injection.Auto))),
        new(NotLinear, ["prilora", .. NeverShadowed], "not the weight of a linear module", "Targets.Except",
            style => new Run(style with { Targets = Targets.AllLinear() }, PriLoRA(Injection.Replace))),
        new(NotLinear, ["prilora", .. NeverShadowed], "not the weight of a linear module", "GaLore",
            style => new Run(style, Methods.Make("galore"))),

        new(TiedTarget, LayersOfTheirOwn, Shared, "Targets.Except",
            style => new Run(WithoutTable(style), Methods.Make("factorized"))),
        new(TiedTarget, LayersOfTheirOwn, Shared, "GaLore", style => new Run(style, Methods.Make("galore"))),
        new(TiedTarget, [.. AskedToReplace, .. AskedToHook], Shared, "Injection.Auto, which comes to Injection.Shadow;",
            style => new Run(style, LoRA(Injection.Auto))),
        new(TiedTarget, ["prilora", .. NeverShadowed], Shared, "Targets.Except",
            style => new Run(WithoutTable(style), Methods.Make("dora"))),
        new(TiedTarget, ["prilora", .. NeverShadowed], Shared, "LoRA under Injection.Shadow",
            style => new Run(style, LoRA(Injection.Shadow))),

        new([Styles.ForwardedLinears], [.. AskedToHook, .. LeaveTheWeight], "passes hooks by", "Injection.Shadow",
            style => new Run(style, LoRA(Injection.Shadow))) { ComesWithTheFirstStep = true },
        new([Styles.ForwardedLinears], NeverShadowed, "passes hooks by", "Module<Tensor, Tensor>",
            _ => new Run(Styles.ByName["Module fields"], Methods.Make("dora"))) { ComesWithTheFirstStep = true },
        new([Styles.ForwardedLinears], NeverShadowed, "passes hooks by", "GaLore",
            style => new Run(style, Methods.Make("galore"))) { ComesWithTheFirstStep = true },
    ];

    private static Style WithoutTable(Style style) => style with { Targets = style.Targets!.Except("tokens.weight") };

    private static LoRA LoRA(Injection injection) => new() { Rank = 4, Alpha = 4, Injection = injection };

    private static PriLoRA PriLoRA(Injection injection) => new() { FirstRank = 4, Rank = 4, Alpha = 4, Injection = injection };
}
