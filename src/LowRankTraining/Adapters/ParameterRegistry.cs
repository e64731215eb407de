using System.Reflection;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace LowRankTraining.Adapters;

/// <summary>Takes parameters out of a module again, or puts others into their places. TorchSharp has a method to register one, and none to undo that.</summary>
internal static class ParameterRegistry
{
    private static readonly FieldInfo Registered = typeof(nn.Module).GetField("_internal_params", BindingFlags.Instance | BindingFlags.NonPublic)!;

    public static void Remove(nn.Module module, string name) => Of(module).Remove(name);

    public static void Replace(nn.Module module, string name, Parameter parameter) => Of(module)[name] = parameter;

    private static OrderedDict<string, Parameter> Of(nn.Module module) => (OrderedDict<string, Parameter>)Registered.GetValue(module)!;
}
