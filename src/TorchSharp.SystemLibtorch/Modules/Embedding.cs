using System.Diagnostics.CodeAnalysis;
using TorchSharp.Modules;
using TorchSharp.Utils;

namespace TorchSharp.Modules
{
    /// <summary>A table of vectors looked up by integer.</summary>
    public sealed class Embedding : torch.nn.Module<torch.Tensor, torch.Tensor>
    {
        private readonly long _paddingIndex;
        private readonly double? _maxNorm;
        private readonly double _normType;
        private readonly bool _scaleGradByFreq;
        private readonly bool _sparse;

        [ComponentName(Name = nameof(weight))]
        private Parameter? _weight;

        internal Embedding(Parameter weight, long? paddingIndex, double? maxNorm, double normType, bool scaleGradByFreq, bool sparse)
            : base(nameof(Embedding))
        {
            (_paddingIndex, _maxNorm, _normType, _scaleGradByFreq, _sparse) = (paddingIndex ?? -1, maxNorm, normType, scaleGradByFreq, sparse);
            this.weight = weight;
            AdoptDeviceOf(weight);
        }

        [DisallowNull]
        public Parameter? weight
        {
            get => _weight;
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

        public override torch.Tensor forward(torch.Tensor input)
        {
            if (_maxNorm is { } maxNorm)
            {
                using var guard = torch.no_grad();
                Op.InPlace("embedding_renorm_", _weight!, input, maxNorm, _normType);
            }

            return Op.Call("embedding", _weight!, input, _paddingIndex, _scaleGradByFreq, _sparse);
        }
    }
}

namespace TorchSharp
{
    public static partial class torch
    {
        public static partial class nn
        {
            public static Embedding Embedding(long num_embeddings, long embedding_dims, long? padding_idx = null, double? max_norm = null, double norm_type = 2.0, bool scale_grad_by_freq = false, bool sparse = false, Device? device = null, ScalarType? dtype = null)
            {
                var weight = new Parameter(empty(num_embeddings, embedding_dims, dtype, device));
                init.normal_(weight);
                var row = padding_idx < 0 ? padding_idx + num_embeddings : padding_idx;
                if (row is { } index)
                {
                    using var guard = no_grad();
                    using var padding = weight.select(0, index);
                    padding.zero_();
                }

                return new Embedding(weight, row, max_norm, norm_type, scale_grad_by_freq, sparse);
            }

            public static Embedding Embedding_from_pretrained(Tensor embeddings, bool freeze = true, long? padding_idx = null, double? max_norm = null, double norm_type = 2.0, bool scale_grad_by_freq = false, bool sparse = false, Device? device = null, ScalarType? dtype = null)
            {
                var row = padding_idx < 0 ? padding_idx + embeddings.shape[0] : padding_idx;
                using var detached = embeddings.detach();
                var table = detached.to(dtype ?? embeddings.dtype, device ?? embeddings.device);
                return new Embedding(new Parameter(table, !freeze), row, max_norm, norm_type, scale_grad_by_freq, sparse);
            }
        }
    }
}
