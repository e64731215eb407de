using System.Runtime.InteropServices;

namespace LowRankTraining;

/// <summary>Which tensor per parameter is, whatever object stands for it.</summary>
/// <remarks>
/// <para><c>Embedding.weight</c>, <c>LSTMCell.weight_ih</c> and their kin make a new object with a new native handle at every read,
/// all of them for one tensor with one gradient. A handle is the address of a pointer to that tensor, and this pointer
/// is the identity: one read of memory, without a call.</para>
/// <para>It outlives a change of storage (<c>set_</c>), and tells apart tensors that have no memory: empty ones, and those of the meta device.
/// Two tensors over one memory, such as <c>weight</c> and <c>weight.detach()</c>, are two identities, since each has a gradient of its own:
/// see <see cref="SharedMemory"/>.</para>
/// <para>It holds for as long as one of the tensor's objects lives.</para>
/// </remarks>
internal readonly record struct ParameterIdentity
{
    private readonly IntPtr _tensor;

    private ParameterIdentity(IntPtr tensor) => _tensor = tensor;

    /// <exception cref="InvalidOperationException">The object has been disposed.</exception>
    public static ParameterIdentity Of(Tensor parameter) => new(Marshal.ReadIntPtr(parameter.Handle));
}
