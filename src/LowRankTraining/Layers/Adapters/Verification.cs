namespace LowRankTraining.Layers;

/// <summary>What a batch has shown of adapters at work; see <see cref="AdapterSession.Verify"/>.</summary>
public sealed record Verification
{
    /// <value>The adapted matrices whose factors took part in the batch; shadowed ones are part of the weight at all times.</value>
    public required IReadOnlyList<string> Acting { get; init; }

    /// <value>Those that did not: the first step shadows them, should they get a gradient; or <c>AllowUnreached</c> allows it.</value>
    public required IReadOnlyList<string> Idle { get; init; }

    /// <value>Those that got no gradient, where the batch ran backward at all; else empty.</value>
    public required IReadOnlyList<string> WithoutGradient { get; init; }

    /// <value>The model's other matrices, each with the reason.</value>
    public required IReadOnlyList<(string Name, string Reason)> LeftOut { get; init; }

    /// <summary>One line for the adapters, one for each that is idle or got no gradient, and one for each matrix left out.</summary>
    public override string ToString() => string.Join(Environment.NewLine,
    [
        $"{Acting.Count} of {Acting.Count + Idle.Count} adapted matrices act; "
            + $"{LeftOut.Count} of {Acting.Count + Idle.Count + LeftOut.Count} matrices are left out",
        .. Idle.Select(name => $"{name}: not run by call() in the batch (a layer that the model runs by forward() is shadowed in the first step)"),
        .. WithoutGradient.Select(name => $"{name}: no gradient"),
        .. LeftOut.Select(matrix => $"{matrix.Name}: left out ({matrix.Reason})"),
    ]);
}
