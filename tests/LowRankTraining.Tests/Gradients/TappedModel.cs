using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Gradients;

/// <summary>Wide, tall and square layers, with bias and without, one of them used twice, and an activation that changes what a layer has put out.</summary>
internal sealed class TappedModel : nn.Module<Tensor, Tensor>
{
    public const int Width = 24;

    private readonly nn.Module<Tensor, Tensor> tall;
    private readonly nn.Module<Tensor, Tensor> twice;
    private readonly nn.Module<Tensor, Tensor> wide;
    private readonly LayerNorm norm;
    private readonly bool _passesHooksBy;

    public TappedModel(ScalarType dtype = ScalarType.Float32, bool passesHooksBy = false) : base(nameof(TappedModel))
    {
        random.manual_seed(7);
        _passesHooksBy = passesHooksBy;
        tall = nn.Linear(Width, 40);
        twice = nn.Linear(40, 40, hasBias: false);
        wide = nn.Linear(40, 16);
        norm = nn.LayerNorm(40);
        RegisterComponents();
        this.to(dtype);
    }

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        var hidden = Run(tall, input).relu_();
        hidden = hidden + norm.call(Run(twice, hidden));
        hidden = Run(twice, hidden).tanh_();
        return Run(wide, hidden).MoveToOuterDisposeScope();
    }

    /// <summary>A loss of a batch that is the same for every model.</summary>
    public Tensor Loss(int batch, params long[] shape)
    {
        using var scope = NewDisposeScope();
        var dtype = parameters().First().dtype;
        using var generator = new Generator((ulong)batch + 1, CPU);
        var input = randn([.. shape, Width], ScalarType.Float32, generator: generator).to(dtype);
        var target = randn([.. shape, 16], ScalarType.Float32, generator: generator).to(dtype);
        return (call(input) - target).square().mean().MoveToOuterDisposeScope();
    }

    private Tensor Run(nn.Module<Tensor, Tensor> layer, Tensor input) => _passesHooksBy ? layer.forward(input) : layer.call(input);
}
