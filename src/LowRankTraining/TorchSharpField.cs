using System.Reflection;

namespace LowRankTraining;

/// <summary>Reads fields of TorchSharp's modules for which there is no public member.</summary>
/// <remarks>A version of TorchSharp without such a field is refused: taking a missing list of hooks for an empty one would change what a model
/// computes.</remarks>
internal static class TorchSharpField
{
    private static readonly AssemblyName Loaded = typeof(torch).Assembly.GetName();

    private static readonly Version? Known =
        Array.Find(typeof(TorchSharpField).Assembly.GetReferencedAssemblies(), reference => reference.Name == Loaded.Name)?.Version;

    /// <exception cref="NotSupportedException">There is no such field, or it holds something else.</exception>
    public static T Read<T>(object module, Type type, string name) =>
        type.GetField(name, BindingFlags.Instance | BindingFlags.NonPublic)?.GetValue(module) is T value ? value : throw new NotSupportedException(
            $"TorchSharp {Loaded.Version?.ToString(3)} has no field '{name}' of type {typeof(T).Name} in {type.Name}, which LowRankTraining has to read. "
            + $"It was made for TorchSharp {Known?.ToString(3)}: reference that version, or a LowRankTraining that was made for yours.");
}
