using TorchSharp.Utils;

namespace LowRankTraining.Layers;

/// <summary>Takes parameters out of a module again, or puts others into their places. TorchSharp has a method to register one, and none to undo that.</summary>
internal static class ParameterRegistry
{
    /// <summary>Fails where <see cref="Remove"/> would, while nothing is changed yet.</summary>
    /// <exception cref="NotSupportedException">This version of TorchSharp keeps its parameters elsewhere.</exception>
    public static void Require(nn.Module module) => Of(module);

    public static void Remove(nn.Module module, string name) => Of(module).Remove(name);

    public static void Replace(nn.Module module, string name, Parameter parameter) => Of(module)[name] = parameter;

    private static OrderedDict<string, Parameter> Of(nn.Module module) =>
        TorchSharpField.Read<OrderedDict<string, Parameter>>(module, typeof(nn.Module), "_internal_params");
}
