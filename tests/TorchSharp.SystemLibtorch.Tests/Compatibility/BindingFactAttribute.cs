using Xunit;

namespace TorchSharp.SystemLibtorch.Tests.Compatibility;

/// <summary>A fact about our own binding, which is not there when TorchSharp comes from the package.</summary>
internal sealed class BindingFactAttribute : FactAttribute
{
    public BindingFactAttribute()
    {
        // The real assembly is signed, ours is not.
        if (typeof(torch).Assembly.GetName().GetPublicKeyToken() is { Length: > 0 })
            Skip = "TorchSharp comes from the package: there is no binding of ours to check.";
    }
}
