namespace LanguageModel.Model;

/// <summary>The parameters of a linear layer, without the layer.</summary>
internal static class LinearShapes
{
    /// <summary>The weight, out × in, and the bias where there is one.</summary>
    public static IEnumerable<(string Name, long[] Shape)> Of(string layer, long outputs, long inputs, bool hasBias = true)
    {
        yield return ($"{layer}.weight", [outputs, inputs]);
        if (hasBias)
            yield return ($"{layer}.bias", [outputs]);
    }
}
