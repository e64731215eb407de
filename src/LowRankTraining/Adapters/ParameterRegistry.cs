using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace LowRankTraining.Adapters;

/// <summary>Takes parameters out of a module again. TorchSharp has a method to register one, and none to undo that.</summary>
internal static class ParameterRegistry
{
    /// <exception cref="NotSupportedException">This version of TorchSharp keeps its parameters elsewhere.</exception>
    public static void Remove(nn.Module module, string name) =>
        TorchSharpField.Read<OrderedDict<string, Parameter>>(module, typeof(nn.Module), "_internal_params").Remove(name);
}
