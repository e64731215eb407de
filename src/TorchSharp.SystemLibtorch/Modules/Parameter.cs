namespace TorchSharp.Modules;

/// <summary>A tensor that a module registers as learnable. It takes over the tensor it is made from, which must not be used afterwards.</summary>
public class Parameter : torch.Tensor
{
    public Parameter(torch.Tensor data, bool requires_grad = true)
        : base(data.requires_grad_(requires_grad).DecoupleFromNativeHandle())
    {
        // A parameter outlives the scope in which it is made.
        DetachFromDisposeScope();
    }
}
