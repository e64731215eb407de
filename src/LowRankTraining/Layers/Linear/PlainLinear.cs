namespace LowRankTraining.Layers;

/// <summary>What is done to the plain layer that another stands in for.</summary>
internal static class PlainLinear
{
    /// <summary>Gives it a weight, of whatever size. The parameter stays the same object where dtype and device allow it: others may refer to it.</summary>
    public static void Hold(this Linear layer, Tensor values)
    {
        using var guard = no_grad();
        var weight = layer.weight;
        weight.grad = null!;
        if (weight.dtype == values.dtype && IsBeside(weight, values))
            weight.set_(values);
        else
            layer.weight = new Parameter(values.detach().alias(), weight.requires_grad);
    }

    /// <summary>Takes its weight's memory, until it holds values again.</summary>
    public static void HoldNothing(this Linear layer)
    {
        using var nothing = empty([0], layer.weight.dtype, device: layer.weight.device);
        layer.Hold(nothing);
    }

    /// <summary>Whether two tensors are on the same device.</summary>
    public static bool IsBeside(this Tensor tensor, Tensor other) => tensor.device_type == other.device_type && tensor.device_index == other.device_index;
}
