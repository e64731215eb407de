using System.Reflection;

namespace LowRankTraining.Numerics;

/// <summary>Reads fields of TorchSharp's objects for which there is no public member.</summary>
internal static class TorchSharpField
{
    private static readonly AssemblyName Loaded = typeof(torch).Assembly.GetName();

    private static readonly Version? Known =
        Array.Find(typeof(TorchSharpField).Assembly.GetReferencedAssemblies(), reference => reference.Name == Loaded.Name)?.Version;

    /// <summary>What a field holds. A version of TorchSharp without it is refused: taking a missing list of hooks for an empty one would change what a model
    /// computes.</summary>
    /// <exception cref="NotSupportedException">There is no such field, or it holds something else.</exception>
    public static T Read<T>(object module, Type type, string name) where T : class => Find<T>(module, type, name) ?? throw new NotSupportedException(
            $"TorchSharp {Loaded.Version?.ToString(3)} has no field '{name}' of type {typeof(T).Name} in {type.Name}, which LowRankTraining has to read. "
            + $"It was made for TorchSharp {Known?.ToString(3)}: reference that version, or a LowRankTraining that was made for yours.");

    /// <summary>Lets a field that can be read hold something else.</summary>
    public static void Write(object owner, Type type, string name, object value) =>
        type.GetField(name, BindingFlags.Instance | BindingFlags.NonPublic)!.SetValue(owner, value);

    /// <summary>The same for a field that may be missing, where nothing goes wrong without it: null then.</summary>
    public static T? Find<T>(object owner, Type type, string name) where T : class =>
        type.GetField(name, BindingFlags.Instance | BindingFlags.NonPublic)?.GetValue(owner) as T;
}
