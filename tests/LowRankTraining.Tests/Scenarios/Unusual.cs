using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Scenarios;

/// <summary>Parameters of every kind: a scalar, a layer without outputs and one with a single output, convolutions transposed and in groups, a recurrent layer,
/// attention, a bilinear layer, norms with averages, what is frozen and what is never used; the last norm has a dtype of its own.</summary>
/// <remarks>The convolutions have groups: without them oneDNN multiplies memory that it has not written (docs/troubleshooting.md).</remarks>
internal sealed class Unusual : nn.Module<Tensor, Tensor>
{
    private const int Batch = 8;

#pragma warning disable CA2213, CA1823, CS0169, IDE0052 // Registered modules and parameters are disposed with this one, and some are never run.
    private readonly nn.Module<Tensor, Tensor> inner = nn.Linear(12, 16);
    private readonly nn.Module<Tensor, Tensor> single = nn.Linear(16, 1);
    private readonly nn.Module<Tensor, Tensor> empty = nn.Linear(16, 0);
    private readonly nn.Module<Tensor, Tensor> deep = nn.Sequential(("nested", nn.Sequential(("linear", nn.Linear(16, 24)))), ("bend", nn.PReLU(24)));
    private readonly nn.Module<Tensor, Tensor> line = nn.Conv1d(4, 6, 3, groups: 2);
    private readonly nn.Module<Tensor, Tensor> transposed = nn.ConvTranspose2d(4, 6, 3, groups: 2);
    private readonly nn.Module<Tensor, Tensor> grouped = nn.Conv2d(4, 4, 3, groups: 2);
    private readonly BatchNorm1d averages = nn.BatchNorm1d(16);
    private readonly LayerNorm norm = nn.LayerNorm(24);
    private readonly Bilinear pair = nn.Bilinear(16, 24, 5);
    private readonly GRU recurrent = nn.GRU(6, 7, batchFirst: true);
    private readonly MultiheadAttention attention = nn.MultiheadAttention(24, 2);
    private readonly Parameter scale = new(tensor(0.5f));
    private readonly Parameter frozen = new(ones(3, 3), requires_grad: false);
    private readonly Parameter unused = new(ones(5, 6));
#pragma warning restore CA2213, CA1823, CS0169, IDE0052
    private readonly ScalarType _dtype;

    public Unusual(ScalarType dtype, ScalarType dtypeOfNorm) : base(nameof(Unusual))
    {
        _dtype = dtype;
        RegisterComponents();
        this.to(dtype);
        norm.to(dtypeOfNorm);
    }

    public override Tensor forward(Tensor input)
    {
        var hidden = averages.call(inner.call(input));
        var wide = norm.call(deep.call(hidden).to(norm.weight!.dtype)).to(_dtype);
        var image = wide.reshape(Batch, 4, 6, 1).expand(Batch, 4, 6, 6);
        var (sequence, _) = recurrent.call(wide.reshape(Batch, 4, 6));
        var (attended, _) = attention.call(wide.unsqueeze(0), wide.unsqueeze(0), wide.unsqueeze(0), null, false, null);
        var linear = single.call(hidden).squeeze(1) + empty.call(hidden).sum(1) + pair.call(hidden, wide).mean([1]);
        var convolved = line.call(wide.reshape(Batch, 4, 6)).mean([1, 2]) + transposed.call(wide.reshape(Batch, 4, 2, 3)).mean([1, 2, 3])
            + grouped.call(image).mean([1, 2, 3]);
        return (linear + convolved + sequence.mean([1, 2]) + attended.squeeze(0).mean([1])) * scale.exp();
    }
}
