namespace TorchSharp;

public static partial class torch
{
    public static partial class nn
    {
        /// <summary>Layers without state.</summary>
        public static partial class functional
        {
            public static Tensor linear(Tensor input, Tensor weights, Tensor? bias = null) => Op.Call("linear", input, weights, bias);

            public static Tensor conv2d(Tensor input, Tensor weight, Tensor? bias = null, long[]? strides = null, long[]? padding = null, long[]? dilation = null, long groups = 1)
                => Op.Call("conv2d", input, weight, bias, strides ?? [1, 1], padding ?? [0, 0], dilation ?? [1, 1], groups);

            public static Tensor layer_norm(Tensor input, long[] normalized_shape, Tensor? weight = null, Tensor? bias = null, double eps = 1e-05)
                => Op.Call("layer_norm", input, normalized_shape, weight, bias, eps);

            public static Tensor one_hot(Tensor x, long num_classes = -1) => Op.Call("one_hot", x, num_classes);

            public static Tensor softmax(Tensor input, long dim, ScalarType? dtype = null) => input.softmax(dim, dtype);

            public static Tensor log_softmax(Tensor x, long dim) => x.log_softmax(dim);

            public static Tensor dropout(Tensor input, double p = 0.5, bool training = true, bool inplace = false)
                => inplace ? Op.InPlace("dropout_", input, p, training).alias() : Op.Call("dropout", input, p, training);

            public static Tensor normalize(Tensor input, double p = 2.0, long dim = 1, double eps = 1e-12)
            {
                using var norm = Op.Call("norm.ScalarOpt_dim", input, p, new[] { dim }, true);
                using var denominator = Op.Call("clamp_min", norm, eps);
                return Op.Call("div.Tensor", input, denominator);
            }

            public static Tensor relu(Tensor x, bool inplace = false) => Elementwise("relu", x, inplace);

            public static Tensor silu(Tensor x, bool inplace = false) => Elementwise("silu", x, inplace);

            public static Tensor sigmoid(Tensor x) => Elementwise("sigmoid", x, false);

            public static Tensor sigmoid(Tensor x, bool inplace) => Elementwise("sigmoid", x, inplace);

            public static Tensor tanh(Tensor x, bool inplace = false) => Elementwise("tanh", x, inplace);

            public static Tensor softplus(Tensor x, double beta = 1.0, double threshold = 20.0) => Op.Call("softplus", x, beta, threshold);

            public static Tensor gelu(Tensor x) => gelu(x, Modules.GELU.Approximate.none);

            public static Tensor gelu(Tensor x, bool inplace) => gelu(x, Modules.GELU.Approximate.none, inplace);

            public static Tensor gelu(Tensor x, Modules.GELU.Approximate approximate, bool inplace = false)
                => inplace ? Op.InPlace("gelu_", x, approximate.ToString()).alias() : Op.Call("gelu", x, approximate.ToString());

            // A new handle even in place: a caller may dispose the input and the output.
            private static Tensor Elementwise(string operation, Tensor x, bool inplace)
                => inplace ? Op.InPlace(operation + "_", x).alias() : Op.Call(operation, x);
        }
    }
}
