using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

[assembly: DisableRuntimeMarshalling]

namespace TorchSharp;

/// <summary>The functions of libSystemLibtorch; those that return <c>int</c> as a status go through <see cref="Check"/>.</summary>
internal static unsafe partial class Native
{
    internal const string Library = "SystemLibtorch";

    internal static void Check(int status)
    {
        if (status != 0) NativeErrors.Throw(Marshal.PtrToStringUTF8(lt_error()) ?? "libtorch failed without a message.");
    }

    [LibraryImport(Library)] private static partial IntPtr lt_error();
    [LibraryImport(Library)] internal static partial IntPtr lt_version();
    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)] internal static partial int lt_op(string name, string overload, out IntPtr op);
    [LibraryImport(Library)] internal static partial int lt_call(IntPtr op, NativeValue* arguments, long count, NativeValue* results, long capacity, long* produced);

    [LibraryImport(Library)] internal static partial void lt_free(IntPtr tensor);
    [LibraryImport(Library)] internal static partial void lt_free_list(IntPtr* list);
    [LibraryImport(Library)] internal static partial IntPtr lt_alias(IntPtr tensor);
    [LibraryImport(Library)] internal static partial long lt_dim(IntPtr tensor);
    [LibraryImport(Library)] internal static partial long lt_numel(IntPtr tensor);
    [LibraryImport(Library)] internal static partial int lt_dtype(IntPtr tensor);
    [LibraryImport(Library)] internal static partial int lt_element_size(IntPtr tensor);
    [LibraryImport(Library)] internal static partial int lt_device(IntPtr tensor, out int index);
    [LibraryImport(Library)] internal static partial void lt_sizes(IntPtr tensor, long* to);
    [LibraryImport(Library)] internal static partial int lt_strides(IntPtr tensor, long* to);
    [LibraryImport(Library)] internal static partial int lt_storage_offset(IntPtr tensor, out long offset);
    [LibraryImport(Library)] internal static partial int lt_is_contiguous(IntPtr tensor);
    [LibraryImport(Library)] internal static partial int lt_is_leaf(IntPtr tensor);
    [LibraryImport(Library)] internal static partial int lt_is_sparse(IntPtr tensor);
    [LibraryImport(Library)] internal static partial int lt_requires_grad(IntPtr tensor);
    [LibraryImport(Library)] internal static partial int lt_set_requires_grad(IntPtr tensor, int value);
    [LibraryImport(Library)] internal static partial int lt_retain_grad(IntPtr tensor);
    [LibraryImport(Library)] internal static partial int lt_grad(IntPtr tensor, out IntPtr grad);
    [LibraryImport(Library)] internal static partial int lt_set_grad(IntPtr tensor, IntPtr grad);
    [LibraryImport(Library)] internal static partial int lt_data(IntPtr tensor, out IntPtr data);
    [LibraryImport(Library)] internal static partial int lt_from_memory(void* data, long bytes, long* sizes, long dims, int dtype, out IntPtr tensor);

    [LibraryImport(Library)] internal static partial int lt_grad_mode();
    [LibraryImport(Library)] internal static partial void lt_set_grad_mode(int enabled);
    [LibraryImport(Library)] internal static partial int lt_inference_mode();
    [LibraryImport(Library)] internal static partial int lt_inference_enter(int enabled, out IntPtr guard);
    [LibraryImport(Library)] internal static partial void lt_inference_leave(IntPtr guard);
    [LibraryImport(Library)] internal static partial int lt_backward(IntPtr* tensors, long count, IntPtr* gradients, long gradientCount, int retain, int create, IntPtr* inputs, long inputCount);
    [LibraryImport(Library)] internal static partial int lt_gradients(IntPtr* outputs, long count, IntPtr* inputs, long inputCount, IntPtr* gradients, long gradientCount, int retain, int create, int unused, IntPtr* results);

    [LibraryImport(Library)] internal static partial int lt_node(delegate* unmanaged[Cdecl]<IntPtr, IntPtr*, long, IntPtr*, long, long> backward, delegate* unmanaged[Cdecl]<IntPtr, void> release, IntPtr owner, IntPtr* inputs, long count, out IntPtr node);
    [LibraryImport(Library)] internal static partial void lt_node_drop(IntPtr node);
    [LibraryImport(Library)] internal static partial int lt_node_outputs(IntPtr node, int materialize, IntPtr* inputs, long inputCount, IntPtr* dirty, long dirtyCount, IntPtr* constant, long constantCount, IntPtr* outputs, long count, IntPtr* results);
    [LibraryImport(Library)] internal static partial int lt_node_save(IntPtr node, IntPtr* tensors, long count);
    [LibraryImport(Library)] internal static partial IntPtr lt_node_weak(IntPtr node);
    [LibraryImport(Library)] internal static partial void lt_node_weak_drop(IntPtr weak);
    [LibraryImport(Library)] internal static partial int lt_node_saved(IntPtr weak, IntPtr* results, long capacity, out long count);

    [LibraryImport(Library)] internal static partial int lt_generator_default(int type, int index, out IntPtr generator);
    [LibraryImport(Library)] internal static partial int lt_generator_new(int type, int index, ulong seed, out IntPtr generator);
    [LibraryImport(Library)] internal static partial void lt_generator_free(IntPtr generator);
    [LibraryImport(Library)] internal static partial int lt_generator_seed(IntPtr generator, ulong seed);
    [LibraryImport(Library)] internal static partial int lt_generator_reseed(IntPtr generator, out ulong seed);
    [LibraryImport(Library)] internal static partial int lt_generator_current(IntPtr generator, out ulong seed);
    [LibraryImport(Library)] internal static partial int lt_generator_state(IntPtr generator, out IntPtr state);
    [LibraryImport(Library)] internal static partial int lt_generator_set_state(IntPtr generator, IntPtr state);
    [LibraryImport(Library)] internal static partial int lt_manual_seed(ulong seed);

    [LibraryImport(Library)] internal static partial int lt_cuda_available();
    [LibraryImport(Library)] internal static partial int lt_cudnn_available();
    [LibraryImport(Library)] internal static partial int lt_cuda_count();
    [LibraryImport(Library)] internal static partial int lt_cuda_seed(ulong seed, int all);
    [LibraryImport(Library)] internal static partial int lt_cuda_synchronize(long index);
    [LibraryImport(Library)] internal static partial int lt_tf32(int cudnn);
    [LibraryImport(Library)] internal static partial void lt_set_tf32(int cudnn, int allow);
    [LibraryImport(Library)] internal static partial int lt_fp16_reduction();
    [LibraryImport(Library)] internal static partial void lt_set_fp16_reduction(int allow);

    [LibraryImport(Library)] internal static partial int lt_threads();
    [LibraryImport(Library)] internal static partial int lt_set_threads(int count);
    [LibraryImport(Library)] internal static partial int lt_interop_threads();
    [LibraryImport(Library)] internal static partial int lt_set_interop_threads(int count);
}
