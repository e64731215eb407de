using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Battery.Ties;

/// <summary>A small language model: a table of tokens, a body, and logits over the same tokens. What its ways to share a weight have in common.</summary>
/// <remarks>Its values are those of the seed, whatever is shared.</remarks>
public abstract class TiedModel : nn.Module<Tensor, Tensor>
{
    public const int Tokens = 12, Width = 16;

    protected TiedModel() : base(nameof(TiedModel)) { }

    /// <summary>What training changes, by name, as one row of numbers.</summary>
    public double[] Numbers()
    {
        using var scope = NewDisposeScope();
        return [.. named_parameters().OrderBy(pair => pair.name, StringComparer.Ordinal).SelectMany(pair => Numbers(pair.parameter))];
    }

    public static double[] Numbers(Tensor tensor)
    {
        using var scope = NewDisposeScope();
        return [.. tensor.detach().cpu().to(ScalarType.Float64).contiguous().reshape(-1).data<double>()];
    }

    public double[] Logits()
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        return Numbers(call(arange(Tokens)));
    }

    /// <summary>Steps first..last, whose batches depend on the step's number only.</summary>
    public void Train(LowRankOptimizer optimizer, int first, int last)
    {
        for (var step = first; step <= last; step++)
        {
            using var scope = NewDisposeScope();
            optimizer.zero_grad();
            Loss(step).backward();
            optimizer.step();
        }
    }

    public Tensor Loss(int step)
    {
        using var generator = new Generator((ulong)(500 + step), CPU);
        var tokens = randint(0, Tokens, [24], ScalarType.Int64, generator: generator);
        var targets = randn(24, Tokens, generator: generator);
        return (call(tokens) - targets).square().mean();
    }

    /// <summary>Gives every parameter, once, the values that belong to its place and the seed.</summary>
    protected void Fill(ulong seed, params Tensor[] parameters)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        for (var place = 0; place < parameters.Length; place++)
        {
            using var generator = new Generator(seed + (ulong)place, CPU);
            parameters[place].copy_(randn(parameters[place].shape, generator: generator).mul_(0.3));
        }
    }
}

/// <summary>A table of tokens that is the output head too.</summary>
public sealed class TiedHead : TiedModel
{
    private readonly Embedding tokens = nn.Embedding(Tokens, Width);
    private readonly nn.Module<Tensor, Tensor> body;
    private readonly nn.Module? decoder;
    private readonly Func<Tensor, Tensor> _logits;

    public TiedHead(string way, ulong seed)
    {
        var linear = nn.Linear(Width, Width);
        body = linear;
        (decoder, _logits) = Head(way);
        RegisterComponents();
        Fill(seed, tokens.weight!, linear.weight, linear.bias!);
    }

    public static string[] Ways { get; } =
        ["head takes the table's", "table takes the head's", "constructor", "two names", "transposed view", "slice of the table's storage"];

    /// <summary>The table is used, and nothing but the embedding holds it.</summary>
    public const string Functional = "functional";

    public Embedding Table => tokens;

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        return _logits(body.call(tokens.call(input)).tanh()).MoveToOuterDisposeScope();
    }

    private (nn.Module? Module, Func<Tensor, Tensor> Logits) Head(string way)
    {
        switch (way)
        {
            case Functional:
                return (null, hidden => nn.functional.linear(hidden, tokens.weight!));
            case "head takes the table's":
                var head = nn.Linear(Width, Tokens, hasBias: false);
                head.weight = tokens.weight!;
                return (head, head.call);
            case "table takes the head's":
                var giver = nn.Linear(Width, Tokens, hasBias: false);
                tokens.weight = giver.weight;
                return (giver, giver.call);
            case "constructor":
                var own = new Projection(tokens.weight!);
                return (own, own.call);
            case "two names":
                var twice = new Projection(tokens.weight!, tokens.weight!);
                return (twice, twice.call);
            case "transposed view":
                var view = new Projection(new Parameter(tokens.weight!.t()), isTransposed: true);
                return (view, view.call);
            case "slice of the table's storage":
                var slice = new Projection(new Parameter(tokens.weight!.narrow(0, 0, Tokens)));
                return (slice, slice.call);
            default:
                throw new ArgumentOutOfRangeException(nameof(way), way, null);
        }
    }

    /// <summary>x Wᵀ, or x W, with a parameter that is given.</summary>
    private sealed class Projection : nn.Module<Tensor, Tensor>
    {
        private readonly bool _isTransposed;
        private readonly Parameter weight;
        private readonly Parameter? again;

        public Projection(Parameter weight, Parameter? again = null, bool isTransposed = false) : base(nameof(Projection))
        {
            (this.weight, this.again, _isTransposed) = (weight, again, isTransposed);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => _isTransposed ? input.matmul(weight) : nn.functional.linear(input, again ?? weight);
    }
}

/// <summary>A matrix that the body uses twice.</summary>
public sealed class TiedBody : TiedModel
{
    private readonly Embedding tokens = nn.Embedding(Tokens, Width);
    private readonly nn.Module<Tensor, Tensor> first;
    private readonly nn.Module<Tensor, Tensor>? second;
    private readonly nn.Module<Tensor, Tensor> decoder;

    public TiedBody(string way, ulong seed)
    {
        var (matrix, output) = (nn.Linear(Width, Width, hasBias: false), nn.Linear(Width, Tokens));
        (first, decoder) = (matrix, output);
        second = way switch
        {
            UsedTwice => null,
            "hung twice" => matrix,
            "one object" => Sharing(matrix.weight),
            "two objects" => Sharing(new Parameter(matrix.weight.alias())),
            _ => throw new ArgumentOutOfRangeException(nameof(way), way, null),
        };
        RegisterComponents();
        Fill(seed, tokens.weight!, matrix.weight, output.weight, output.bias!);
    }

    public static string[] Ways { get; } = [UsedTwice, "hung twice", "one object", "two objects"];

    /// <summary>One module in one place.</summary>
    public const string UsedTwice = "used twice";

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        var hidden = first.call(tokens.call(input)).tanh();
        return decoder.call((second ?? first).call(hidden).tanh()).MoveToOuterDisposeScope();
    }

    private static Linear Sharing(Parameter weight)
    {
        var linear = nn.Linear(Width, Width, hasBias: false);
        linear.weight = weight;
        return linear;
    }
}
