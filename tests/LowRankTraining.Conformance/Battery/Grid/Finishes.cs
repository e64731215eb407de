namespace LowRankTraining.Conformance.Battery.Grid;

/// <summary>Methods whose end is not that of the others: a plain model of the same function.</summary>
internal static class Finishes
{
    /// <summary>A nonlinearity between its factors has no place in a plain layer, so CoLA's layers stay.</summary>
    public const string KeepsItsLayers = "cola";

    /// <summary>PriLoRA prunes its factors once more before they are merged.</summary>
    public static bool ChangesTheFunction(string method) => method is "prilora" or "prilora, hook";
}
