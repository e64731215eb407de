namespace TorchSharp.Modules;

/// <summary>
/// A tensor that a module registers as learnable. It takes over the tensor it is made from, which is empty afterwards, and that tensor's place
/// in a dispose scope, if it has one; a parameter made from a tensor without a scope has none either.
/// </summary>
public class Parameter : torch.Tensor
{
    public Parameter(torch.Tensor data, bool requires_grad = true)
        : this(data.OwningDisposeScope, data.requires_grad_(requires_grad).DecoupleFromNativeHandle())
    {
    }

    private Parameter(DisposeScope? scope, IntPtr handle)
        : base(handle)
    {
        if (scope is null)
        {
            DetachFromDisposeScope();
        }
        else if (OwningDisposeScope != scope)
        {
            MoveToOtherDisposeScope(scope);
        }
    }
}
