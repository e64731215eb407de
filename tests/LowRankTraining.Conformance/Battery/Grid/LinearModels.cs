using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Battery.Grid;

/// <summary>Two linear layers with a tanh in between, held in all the ways in which models hold linear layers.</summary>
internal static class LinearModels
{
    public const long Inputs = 8, Hidden = 10, Outputs = 6;

    private static Linear First => nn.Linear(Inputs, Hidden);

    private static Linear Second => nn.Linear(Hidden, Outputs);

    public static Sequential Sequence() => nn.Sequential(("first", First), ("tanh", nn.Tanh()), ("second", Second));

    /// <summary>Fields that take any module.</summary>
    public sealed class Fields : nn.Module<Tensor, Tensor>
    {
        private readonly nn.Module<Tensor, Tensor> first = First, second = Second;

        public Fields() : base(nameof(Fields)) => RegisterComponents();

        public override Tensor forward(Tensor input) => second.call(first.call(input).tanh());
    }

    /// <summary>Fields of the sealed type, whose hooks run.</summary>
    public sealed class CalledLinears : nn.Module<Tensor, Tensor>
    {
        private readonly Linear first = First, second = Second;

        public CalledLinears() : base(nameof(CalledLinears)) => RegisterComponents();

        public override Tensor forward(Tensor input) => second.call(first.call(input).tanh());
    }

    /// <summary>Fields of the sealed type, whose hooks are passed by.</summary>
    public sealed class ForwardedLinears : nn.Module<Tensor, Tensor>
    {
        private readonly Linear first = First, second = Second;

        public ForwardedLinears() : base(nameof(ForwardedLinears)) => RegisterComponents();

        public override Tensor forward(Tensor input) => second.forward(first.forward(input).tanh());
    }

    public sealed class List : nn.Module<Tensor, Tensor>
    {
        private readonly ModuleList<nn.Module<Tensor, Tensor>> layers = nn.ModuleList<nn.Module<Tensor, Tensor>>(First, nn.Tanh(), Second);

        public List() : base(nameof(List)) => RegisterComponents();

        public override Tensor forward(Tensor input) => layers.Aggregate(input, (hidden, layer) => layer.call(hidden));
    }

    /// <summary>A dictionary that is a module.</summary>
    /// <remarks>Made where it is to be: TorchSharp's <c>to</c> looks properties up by name, and fails at the two indexers of a <c>ModuleDict</c>.</remarks>
    public sealed class Dictionary : nn.Module<Tensor, Tensor>
    {
        private readonly ModuleDict<nn.Module<Tensor, Tensor>> layers;

        public Dictionary(Device device, ScalarType dtype) : base(nameof(Dictionary))
        {
            layers = nn.ModuleDict<nn.Module<Tensor, Tensor>>(
                ("first", nn.Linear(Inputs, Hidden, device: device, dtype: dtype)), ("second", nn.Linear(Hidden, Outputs, device: device, dtype: dtype)));
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => layers["second"].call(layers["first"].call(input).tanh());
    }

    /// <summary>A block that two fields refer to, one of them within another module, and that runs under both names.</summary>
    public sealed class TwoNames : nn.Module<Tensor, Tensor>
    {
        private readonly nn.Module<Tensor, Tensor> first = First, block;
        private readonly Wrapper wrapper;
        private readonly nn.Module<Tensor, Tensor> second = Second;

        public TwoNames() : base(nameof(TwoNames))
        {
            block = nn.Linear(Hidden, Hidden);
            wrapper = new Wrapper(block);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => second.call(wrapper.call(block.call(first.call(input).tanh()).tanh()));

        private sealed class Wrapper : nn.Module<Tensor, Tensor>
        {
            private readonly nn.Module<Tensor, Tensor> inner;

            public Wrapper(nn.Module<Tensor, Tensor> block) : base(nameof(Wrapper))
            {
                inner = block;
                RegisterComponents();
            }

            public override Tensor forward(Tensor input) => inner.call(input).tanh();
        }
    }

    /// <summary>A block that runs twice in one forward pass.</summary>
    public sealed class ReusedBlock : nn.Module<Tensor, Tensor>
    {
        private readonly nn.Module<Tensor, Tensor> first = First, block = nn.Linear(Hidden, Hidden), second = Second;

        public ReusedBlock() : base(nameof(ReusedBlock)) => RegisterComponents();

        public override Tensor forward(Tensor input) => second.call(block.call(block.call(first.call(input).tanh()).tanh()).tanh());
    }
}
