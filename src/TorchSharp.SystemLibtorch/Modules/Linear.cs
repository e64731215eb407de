using TorchSharp.Modules;
using TorchSharp.Utils;

namespace TorchSharp.Modules
{
    /// <summary>y = x Wᵀ + b, with W of shape (out_features, in_features).</summary>
    public sealed class Linear : torch.nn.Module<torch.Tensor, torch.Tensor>
    {
        [ComponentName(Name = nameof(bias))]
        private Parameter? _bias;

        [ComponentName(Name = nameof(weight))]
        private Parameter? _weight;

        internal Linear(Parameter weight, Parameter? bias)
            : base(nameof(Linear))
        {
            (out_features, in_features) = (weight.shape[0], weight.shape[1]);
            this.weight = weight;
            this.bias = bias;
            AdoptDeviceOf(weight);
        }

        internal Linear(long inputSize, long outputSize, bool hasBias, torch.Device? device, torch.ScalarType? dtype)
            : base(nameof(Linear))
        {
            (out_features, in_features) = (outputSize, inputSize);
            weight = new Parameter(torch.empty(outputSize, inputSize, dtype, device));
            bias = hasBias ? new Parameter(torch.empty(outputSize, dtype, device)) : null;
            AffineInitialization.Apply(weight, bias);
            AdoptDeviceOf(weight);
        }

        public long in_features { get; set; }

        public long out_features { get; set; }

        public Parameter weight
        {
            get => _weight!;
            set
            {
                if (value.Handle == _weight?.Handle)
                {
                    return;
                }

                _weight?.Dispose();
                _weight = (Parameter)value.DetachFromDisposeScope();
                ConditionallyRegisterParameter(nameof(weight), _weight);
            }
        }

        public Parameter? bias
        {
            get => _bias;
            set
            {
                _bias?.Dispose();
                _bias = (Parameter?)value?.DetachFromDisposeScope();
                ConditionallyRegisterParameter(nameof(bias), _bias);
            }
        }

        public override torch.Tensor forward(torch.Tensor tensor) => torch.nn.functional.linear(tensor, weight, bias);
    }

    /// <summary>The default initialization of linear and convolution layers: uniform within 1/√fan_in.</summary>
    internal static class AffineInitialization
    {
        public static void Apply(Parameter weight, Parameter? bias)
        {
            torch.nn.init.kaiming_uniform_(weight, a: Math.Sqrt(5));
            if (bias is null)
            {
                return;
            }

            var (fanIn, _) = torch.nn.init.CalculateFanInAndFanOut(weight);
            var bound = fanIn > 0 ? 1 / Math.Sqrt(fanIn) : 0;
            torch.nn.init.uniform_(bias, -bound, bound);
        }
    }
}

namespace TorchSharp
{
    public static partial class torch
    {
        public static partial class nn
        {
            public static Linear Linear(long inputSize, long outputSize, bool hasBias = true, Device? device = null, ScalarType? dtype = null)
                => new(inputSize, outputSize, hasBias, device, dtype);

            public static Linear Linear(Parameter weight, Parameter? bias = null) => new(weight, bias);
        }
    }
}
