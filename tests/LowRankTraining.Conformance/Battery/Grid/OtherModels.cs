using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Battery.Grid;

/// <summary>Small models of what is not a linear layer: tables, convolutions, attention, recurrence.</summary>
internal static class OtherModels
{
    public const long Tokens = 12, Width = 8, Heads = 2, Channels = 4, Outputs = 6;

    /// <summary>A table and a projection of its rows.</summary>
    public sealed class Table : nn.Module<Tensor, Tensor>
    {
        private readonly Embedding table = nn.Embedding(Tokens, Width);
        private readonly nn.Module<Tensor, Tensor> projection = nn.Linear(Width, Outputs);

        public Table() : base(nameof(Table)) => RegisterComponents();

        public override Tensor forward(Tensor input) => projection.call(table.call(input));
    }

    /// <summary>A language model whose output layer has the embedding's weight.</summary>
    /// <remarks>Tied when it is where it is to be: TorchSharp's <c>to</c> moves each of the two by itself.</remarks>
    public sealed class TiedHead : nn.Module<Tensor, Tensor>
    {
        private readonly Embedding tokens = nn.Embedding(Tokens, Width);
        private readonly nn.Module<Tensor, Tensor> mixer = nn.Linear(Width, Width);
        private readonly Linear output = nn.Linear(Width, Tokens, hasBias: false);

        public TiedHead(Device device, ScalarType dtype) : base(nameof(TiedHead))
        {
            RegisterComponents();
            Style.Moved(this, device, dtype);
            output.weight = tokens.weight!;
        }

        public override Tensor forward(Tensor input) => output.call(mixer.call(tokens.call(input)).tanh());
    }

    public static Sequential Signals() => nn.Sequential(
        ("convolution", nn.Conv1d(Channels, 6, 3, padding: 1)), ("tanh", nn.Tanh()), ("flat", nn.Flatten()), ("projection", nn.Linear(6 * 8, Outputs)));

    public static Sequential Images() => nn.Sequential(
        ("convolution", nn.Conv2d(Channels, 6, 3, padding: 1)), ("tanh", nn.Tanh()), ("flat", nn.Flatten()), ("projection", nn.Linear(6 * 4 * 4, Outputs)));

    /// <summary>A filter for each channel, then a mixture of channels.</summary>
    public static Sequential Depthwise() => nn.Sequential(
        ("filters", nn.Conv2d(Channels, Channels, 3, padding: 1, groups: Channels)), ("mixture", nn.Conv2d(Channels, 6, 1)),
        ("tanh", nn.Tanh()), ("flat", nn.Flatten()), ("projection", nn.Linear(6 * 4 * 4, Outputs)));

    public sealed class Attention : nn.Module<Tensor, Tensor>
    {
        private readonly MultiheadAttention attention = nn.MultiheadAttention(Width, Heads);
        private readonly nn.Module<Tensor, Tensor> projection = nn.Linear(Width, Outputs);

        public Attention() : base(nameof(Attention)) => RegisterComponents();

        public override Tensor forward(Tensor input) => projection.call(attention.call(input, input, input, need_weights: false).Item1);
    }

    public sealed class Encoder : nn.Module<Tensor, Tensor>
    {
        private readonly TransformerEncoderLayer layer = nn.TransformerEncoderLayer(Width, Heads, dim_feedforward: 12, dropout: 0);
        private readonly nn.Module<Tensor, Tensor> projection = nn.Linear(Width, Outputs);

        public Encoder() : base(nameof(Encoder)) => RegisterComponents();

        public override Tensor forward(Tensor input) => projection.call(layer.call(input));
    }

    public sealed class Recurrence : nn.Module<Tensor, Tensor>
    {
        private readonly GRU recurrence = nn.GRU(Width, 6);
        private readonly nn.Module<Tensor, Tensor> projection = nn.Linear(6, Outputs);

        public Recurrence() : base(nameof(Recurrence)) => RegisterComponents();

        public override Tensor forward(Tensor input) => projection.call(recurrence.call(input).Item1);
    }
}
