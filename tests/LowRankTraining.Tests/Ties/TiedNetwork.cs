using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Ties;

/// <summary>A table, a body, and a head with a weight that is given.</summary>
internal sealed class TiedNetwork : nn.Module<Tensor, Tensor>
{
    public const int Rows = 10, Columns = 6;

    private readonly Embedding tokens = nn.Embedding(Rows, Columns);
    private readonly nn.Module<Tensor, Tensor> body = nn.Linear(Columns, Columns);
    private readonly Linear decoder = nn.Linear(Columns, Rows, hasBias: false);

    /// <param name="weightFor">The head's weight for the table's; null leaves the head its own.</param>
    public TiedNetwork(Func<Parameter, Parameter>? weightFor = null) : base(nameof(TiedNetwork))
    {
        decoder.weight = weightFor?.Invoke(tokens.weight!) ?? decoder.weight;
        RegisterComponents();
    }

    public static TiedNetwork Tied() => new(table => table);

    public Embedding Table => tokens;

    public Linear Head => decoder;

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        return decoder.call(body.call(tokens.call(input)).tanh()).MoveToOuterDisposeScope();
    }

    public Tensor Loss() => call(arange(0, Rows, ScalarType.Int64)).square().mean();

    public void Step(LowRankOptimizer optimizer)
    {
        using var scope = NewDisposeScope();
        optimizer.zero_grad();
        Loss().backward();
        optimizer.step();
    }

    public double[] Logits()
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        return Numbers(call(arange(0, Rows, ScalarType.Int64)));
    }

    /// <summary>Names, flags and bits of all parameters.</summary>
    public (string, bool, double[])[] Snapshot() => [.. named_parameters().Select(pair => (pair.name, pair.parameter.requires_grad, Numbers(pair.parameter)))];

    public static double[] Numbers(Tensor tensor)
    {
        using var scope = NewDisposeScope();
        return [.. tensor.detach().to(ScalarType.Float64).contiguous().reshape(-1).data<double>()];
    }
}
