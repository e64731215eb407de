using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Scenarios;

/// <summary>Layers in fields of their own type, which can be replaced by none of another type, run by <c>forward</c>, which runs no hooks. The last layer and
/// the embedding share a table.</summary>
internal sealed class Typed : nn.Module<Tensor, Tensor>
{
#pragma warning disable CA2213 // Registered modules are disposed with this one.
    private readonly Embedding embed = nn.Embedding(16, 20);
    private readonly Linear first = nn.Linear(24, 40);
    private readonly Linear second = nn.Linear(40, 20);
    private readonly Linear square = nn.Linear(20, 20);
    private readonly Linear head = nn.Linear(20, 16, hasBias: false);
#pragma warning restore CA2213

    public Typed() : base(nameof(Typed))
    {
        head.weight = embed.weight!;
        RegisterComponents();
    }

    public override Tensor forward(Tensor input)
    {
        var table = embed.forward(arange(8, ScalarType.Int64));
        var hidden = second.forward(first.forward(input).tanh()).tanh() + table;
        return head.forward(square.forward(hidden));
    }
}
