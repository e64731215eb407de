using System.Reflection;

namespace LowRankTraining;

/// <summary>Finds tensors that are not the same and yet have numbers in common: views, transposes and detached copies of one storage.</summary>
/// <remarks>Slices of one storage that lie beside each other have none in common. Tensors without memory share nothing.</remarks>
internal static class SharedMemory
{
    // TorchSharp's Storage<T> knows few dtypes, and copies where T is not the tensor's own.
    private static readonly Func<IntPtr, IntPtr> StartOfStorage = typeof(torch).Assembly.GetType("TorchSharp.PInvoke.NativeMethods", throwOnError: true)!
        .GetMethod("THSStorage_data_ptr", BindingFlags.Static | BindingFlags.NonPublic)!.CreateDelegate<Func<IntPtr, IntPtr>>();

    /// <summary>The storage that a tensor lies in, or null where it has no memory.</summary>
    public static (DeviceType Device, int Index, IntPtr Start)? StorageOf(Tensor tensor)
    {
        if (tensor.NumberOfElements == 0 || tensor.device_type == DeviceType.META || tensor.is_sparse)
            return null;
        return StartOfStorage(tensor.Handle) is var start && start != IntPtr.Zero ? (tensor.device_type, tensor.device_index, start) : null;
    }

    /// <summary>Whether two tensors have a number in common.</summary>
    public static bool Overlap(Tensor left, Tensor right) => StorageOf(left) is { } storage && storage == StorageOf(right) && OverlapInStorage(left, right);

    /// <summary>Whether the gradient of a view arrives at <paramref name="parameter"/>, so that the view is no parameter by itself:
    /// <c>new Parameter(parameter.t())</c>.</summary>
    public static bool IsViewOf(Tensor view, Tensor parameter)
    {
        if (view.is_leaf || StorageOf(view) is not { } storage || storage != StorageOf(parameter))
            return false;

        // What is frozen takes no gradient from anywhere.
        if (!parameter.requires_grad)
            return OverlapInStorage(view, parameter);

        using var scope = NewDisposeScope();
        using var graph = enable_grad();
        return autograd.grad([view.sum()], [parameter], retain_graph: true, allow_unused: true)[0] is { IsInvalid: false };
    }

    /// <exception cref="ArgumentException">Two of the parameters have numbers in common, or one shows a number in several places. Nothing was
    /// changed.</exception>
    public static void Refuse(IEnumerable<(string Name, Parameter Parameter)> parameters)
    {
        (string Name, Parameter Parameter)[] listed = [.. parameters];
        if (Array.Find(listed, pair => IsExpanded(pair.Parameter)).Name is { } expanded)
            throw new ArgumentException($"'{expanded}' shows one number in several places (expand), which no step can change one by one: give it a copy, "
                + "new Parameter(weight.detach().clone()). Nothing was changed.");

        var sharers = listed.Select(pair => (pair.Name, pair.Parameter, Storage: StorageOf(pair.Parameter)))
            .Where(entry => entry.Storage is not null).GroupBy(entry => entry.Storage, (_, entries) => entries.ToArray());
        foreach (var entries in sharers)
            for (var right = 1; right < entries.Length; right++)
                if (Array.FindIndex(entries, 0, right, left => OverlapInStorage(left.Parameter, entries[right].Parameter)) is >= 0 and var left)
                    throw new ArgumentException(
                        $"'{entries[left].Name}' and '{entries[right].Name}' are two parameters over the same memory, each with a gradient of its own, "
                        + "so that a step would change the same numbers twice. Let both modules hold one parameter (head.weight = embedding.weight; "
                        + "a transposed one is made outside of no_grad and without detach, new Parameter(embedding.weight.t())), "
                        + "or freeze one of the two (requires_grad = false), or give it a copy (new Parameter(weight.detach().clone())). Nothing was changed.");
    }

    /// <summary>Whether a number is shown in several places, as <c>expand</c> makes it.</summary>
    public static bool IsExpanded(Tensor tensor) =>
        !tensor.is_sparse && tensor.NumberOfElements > 1 && tensor.shape.Zip(tensor.stride()).Any(axis => axis is { First: > 1, Second: 0 });

    private static bool OverlapInStorage(Tensor left, Tensor right)
    {
        var (a, b) = (Extent.Of(left), Extent.Of(right));
        if (a.End <= b.Start || b.End <= a.Start)
            return false;
        if (left.is_contiguous() && right.is_contiguous())
            return true;

        // What lies between the numbers of a view may belong to another one: mark the bytes of the first, and look where the second lies.
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var start = Math.Min(a.Start, b.Start);
        var marks = zeros(Math.Max(a.End, b.End) - start, ScalarType.Byte, CPU);
        a.In(marks, start).fill_(1);
        return b.In(marks, start).any().ToBoolean();
    }

    /// <summary>Where a tensor lies in its storage, in bytes.</summary>
    private readonly record struct Extent(long Start, long End, long[] Shape, long[] Strides)
    {
        public static Extent Of(Tensor tensor)
        {
            var (shape, strides, size) = (tensor.shape, tensor.stride(), tensor.ElementSize);
            var start = tensor.storage_offset() * size;
            var last = shape.Zip(strides, (length, stride) => (length - 1) * stride).Sum();
            return new(start, start + (last + 1) * size, [.. shape, size], [.. strides.Select(stride => stride * size), 1]);
        }

        public Tensor In(Tensor marks, long from) => marks.as_strided(Shape, Strides, Start - from);
    }
}
