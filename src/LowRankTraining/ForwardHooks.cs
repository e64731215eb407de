using System.Collections;

namespace LowRankTraining;

/// <summary>The hooks that a module runs before and after its forward pass. TorchSharp has methods to register and remove one, and none to ask for
/// them.</summary>
internal static class ForwardHooks
{
    private static readonly string[] Fields = ["pre_hooks", "post_hooks", "module_pre_hooks", "module_post_hooks"];

    /// <exception cref="NotSupportedException">This version of TorchSharp keeps its hooks elsewhere.</exception>
    public static bool AnyOf(nn.Module module) =>
        HookableTypeOf(module) is { } type && Array.Exists(Fields, field => TorchSharpField.Read<IDictionary>(module, type, field).Count > 0);

    /// <summary>Gives a module the hooks of the one in whose place it comes; what removes one of them goes on doing so.</summary>
    public static void Move(nn.Module from, nn.Module to)
    {
        if (AnyOf(from) && HookableTypeOf(from) is { } type && type.IsInstanceOfType(to))
            foreach (var field in Fields)
                TorchSharpField.Write(to, type, field, TorchSharpField.Read<IDictionary>(from, type, field));
    }

    /// <summary>A module that is only a container cannot be called, and takes no hooks.</summary>
    private static Type? HookableTypeOf(nn.Module module)
    {
        for (var type = module.GetType(); type is not null; type = type.BaseType)
            if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(nn.HookableModule<,>))
                return type;
        return null;
    }
}
