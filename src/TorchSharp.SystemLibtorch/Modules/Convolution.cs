using TorchSharp.Modules;
using TorchSharp.Utils;

namespace TorchSharp
{
    public enum Padding
    {
        Valid = 0,
        Same = 1,
    }
}

namespace TorchSharp.Modules
{
    /// <summary>What convolutions share: a weight of shape (out, in / groups, kernel...), an optional bias, and the padding.</summary>
    public abstract class Convolution : torch.nn.Module<torch.Tensor, torch.Tensor>
    {
        [ComponentName(Name = nameof(bias))]
        protected Parameter? _bias;

        [ComponentName(Name = nameof(weight))]
        protected Parameter? _weight;

        /// <summary>The padding as <c>pad</c> takes it: last dimension first, both sides.</summary>
        protected long[] _reversed_padding_repeated_twice = [];

        protected Convolution(string name, long in_channels, long out_channels, long[] kernel_size, long[] stride, long[]? padding, Padding? padding_type, long[] dilation, bool transposed, long[] output_padding, long groups, bool bias, PaddingModes padding_mode, torch.Device? device = null, torch.ScalarType? dtype = null)
            : base(name)
        {
            if (transposed && padding_mode != PaddingModes.Zeros)
            {
                throw new ArgumentException("Only PaddingModes.Zeros is supported for ConvTransposeND", nameof(padding_mode));
            }

            (this.in_channels, this.out_channels, this.kernel_size, this.stride, this.dilation) = (in_channels, out_channels, kernel_size, stride, dilation);
            (this.transposed, this.output_padding, this.groups, this.padding_mode) = (transposed, output_padding, groups, padding_mode);
            if (padding_type is { } automatic)
            {
                SetPadding(automatic);
            }
            else
            {
                SetPadding(padding ?? new long[kernel_size.Length]);
            }

            long[] channels = transposed ? [in_channels, out_channels / groups] : [out_channels, in_channels / groups];
            weight = new Parameter(torch.empty([.. channels, .. kernel_size], dtype, device));
            this.bias = bias ? new Parameter(torch.empty(out_channels, dtype, device)) : null;
            AdoptDeviceOf(weight);
            reset_parameters();
        }

        public long in_channels { get; }

        public long out_channels { get; }

        public bool transposed { get; }

        public Padding? padding_type { get; private set; }

        public long[]? padding { get; private set; }

        public PaddingModes padding_mode { get; set; }

        public long groups { get; set; }

        public long[] kernel_size { get; set; }

        public long[] stride { get; set; }

        public long[] dilation { get; set; }

        public long[] output_padding { get; set; }

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

        public void reset_parameters() => AffineInitialization.Apply(weight, bias);

        public void SetPadding(long[] padding)
        {
            (padding_type, this.padding) = (null, padding);
            _reversed_padding_repeated_twice = Enumerable.Reverse(padding).SelectMany(amount => new[] { amount, amount }).ToArray();
        }

        public void SetPadding(Padding padding)
        {
            if (transposed)
            {
                throw new ArgumentException("Cannot set padding type on ConvTransposeND", nameof(padding));
            }

            if (padding == Padding.Same && stride.Any(step => step != 1))
            {
                throw new ArgumentException("padding='same' is not supported for strided convolutions", nameof(padding));
            }

            (padding_type, this.padding) = (padding, null);
            _reversed_padding_repeated_twice = Enumerable.Range(0, kernel_size.Length).Reverse()
                .Select(dimension => padding == Padding.Same ? dilation[dimension] * (kernel_size[dimension] - 1) : 0)
                .SelectMany(total => new[] { total / 2, total - (total / 2) })
                .ToArray();
        }

        protected bool ValidateShape(torch.Tensor input, long dimensions)
        {
            var shape = input.shape;
            return (shape.Length == dimensions + 2 && shape[1] == in_channels) || (shape.Length == dimensions + 1 && shape[0] == in_channels);
        }
    }

    public sealed class Conv2d : Convolution
    {
        internal Conv2d(long in_channels, long out_channels, long[] kernel_size, long[] stride, long[]? padding, Padding? padding_type, long[] dilation, long groups, bool bias, PaddingModes padding_mode, torch.Device? device, torch.ScalarType? dtype)
            : base(nameof(Conv2d), in_channels, out_channels, kernel_size, stride, padding, padding_type, dilation, false, [0, 0], groups, bias, padding_mode, device, dtype)
        {
        }

        public override torch.Tensor forward(torch.Tensor input)
        {
            if (!ValidateShape(input, 2))
            {
                throw new ArgumentException($"Expected 3D (unbatched) or 4D (batched) input with {in_channels} channels to Conv2d.", nameof(input));
            }

            var padded = _reversed_padding_repeated_twice;
            if (padding_mode is PaddingModes.Zeros && padded[0] == padded[1] && padded[2] == padded[3])
            {
                return torch.nn.functional.conv2d(input, weight, bias, stride, [padded[2], padded[0]], dilation, groups);
            }

            using var widened = torch.nn.functional.pad(input, padded, padding_mode is PaddingModes.Zeros ? PaddingModes.Constant : padding_mode);
            return torch.nn.functional.conv2d(widened, weight, bias, stride, null, dilation, groups);
        }
    }
}

namespace TorchSharp
{
    public static partial class torch
    {
        public static partial class nn
        {
            public static Conv2d Conv2d(long in_channels, long out_channels, long kernel_size, long stride = 1, long padding = 0, long dilation = 1, PaddingModes padding_mode = PaddingModes.Zeros, long groups = 1, bool bias = true, Device? device = null, ScalarType? dtype = null)
                => new(in_channels, out_channels, [kernel_size, kernel_size], [stride, stride], [padding, padding], null, [dilation, dilation], groups, bias, padding_mode, device, dtype);

            public static Conv2d Conv2d(long in_channels, long out_channels, (long, long) kernel_size, (long, long)? stride = null, (long, long)? padding = null, (long, long)? dilation = null, PaddingModes padding_mode = PaddingModes.Zeros, long groups = 1, bool bias = true, Device? device = null, ScalarType? dtype = null)
                => new(in_channels, out_channels, Pair(kernel_size), Pair(stride ?? (1, 1)), Pair(padding ?? (0, 0)), null, Pair(dilation ?? (1, 1)), groups, bias, padding_mode, device, dtype);

            public static Conv2d Conv2d(long in_channels, long out_channels, long kernel_size, Padding padding, long stride = 1, long dilation = 1, PaddingModes padding_mode = PaddingModes.Zeros, long groups = 1, bool bias = true, Device? device = null, ScalarType? dtype = null)
                => new(in_channels, out_channels, [kernel_size, kernel_size], [stride, stride], null, padding, [dilation, dilation], groups, bias, padding_mode, device, dtype);

            public static Conv2d Conv2d(long in_channels, long out_channels, (long, long) kernel_size, Padding padding, (long, long)? stride = null, (long, long)? dilation = null, PaddingModes padding_mode = PaddingModes.Zeros, long groups = 1, bool bias = true, Device? device = null, ScalarType? dtype = null)
                => new(in_channels, out_channels, Pair(kernel_size), Pair(stride ?? (1, 1)), null, padding, Pair(dilation ?? (1, 1)), groups, bias, padding_mode, device, dtype);

            private static long[] Pair((long, long) pair) => [pair.Item1, pair.Item2];
        }
    }
}
