namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        public Tensor abs() => Op.Call("abs", this);
        public Tensor abs_() => Op.InPlace("abs_", this);
        public Tensor absolute() => Op.Call("abs", this);
        public Tensor absolute_() => Op.InPlace("abs_", this);
        public Tensor sign() => Op.Call("sign", this);
        public Tensor sign_() => Op.InPlace("sign_", this);
        public Tensor sgn() => Op.Call("sgn", this);
        public Tensor signbit() => Op.Call("signbit", this);
        public Tensor sqrt() => Op.Call("sqrt", this);
        public Tensor sqrt_() => Op.InPlace("sqrt_", this);
        public Tensor rsqrt() => Op.Call("rsqrt", this);
        public Tensor rsqrt_() => Op.InPlace("rsqrt_", this);
        public Tensor square() => Op.Call("square", this);
        public Tensor exp() => Op.Call("exp", this);
        public Tensor exp_() => Op.InPlace("exp_", this);
        public Tensor exp2() => Op.Call("exp2", this);
        public Tensor exp2_() => Op.InPlace("exp2_", this);
        public Tensor expm1() => Op.Call("expm1", this);
        public Tensor expm1_() => Op.InPlace("expm1_", this);
        public Tensor log() => Op.Call("log", this);
        public Tensor log_() => Op.InPlace("log_", this);
        public Tensor log2() => Op.Call("log2", this);
        public Tensor log2_() => Op.InPlace("log2_", this);
        public Tensor log10() => Op.Call("log10", this);
        public Tensor log10_() => Op.InPlace("log10_", this);
        public Tensor log1p() => Op.Call("log1p", this);
        public Tensor log1p_() => Op.InPlace("log1p_", this);
        public Tensor reciprocal() => Op.Call("reciprocal", this);
        public Tensor reciprocal_() => Op.InPlace("reciprocal_", this);
        public Tensor floor() => Op.Call("floor", this);
        public Tensor floor_() => Op.InPlace("floor_", this);
        public Tensor ceil() => Op.Call("ceil", this);
        public Tensor ceil_() => Op.InPlace("ceil_", this);
        public Tensor round(long decimals = 0) => Op.Call("round.decimals", this, decimals);
        public Tensor round_(long decimals = 0) => Op.InPlace("round_.decimals", this, decimals);
        public Tensor trunc() => Op.Call("trunc", this);
        public Tensor trunc_() => Op.InPlace("trunc_", this);
        public Tensor frac() => Op.Call("frac", this);
        public Tensor frac_() => Op.InPlace("frac_", this);
        public Tensor sin() => Op.Call("sin", this);
        public Tensor sin_() => Op.InPlace("sin_", this);
        public Tensor cos() => Op.Call("cos", this);
        public Tensor cos_() => Op.InPlace("cos_", this);
        public Tensor tan() => Op.Call("tan", this);
        public Tensor tan_() => Op.InPlace("tan_", this);
        public Tensor sinh() => Op.Call("sinh", this);
        public Tensor cosh() => Op.Call("cosh", this);
        public Tensor asin() => Op.Call("asin", this);
        public Tensor acos() => Op.Call("acos", this);
        public Tensor atan() => Op.Call("atan", this);
        public Tensor erf() => Op.Call("erf", this);
        public Tensor erf_() => Op.InPlace("erf_", this);
        public Tensor erfc() => Op.Call("erfc", this);
        public Tensor erfinv() => Op.Call("erfinv", this);
        public Tensor erfinv_() => Op.InPlace("erfinv_", this);
        public Tensor lgamma() => Op.Call("lgamma", this);
        public Tensor digamma() => Op.Call("digamma", this);
        public Tensor nan_to_num(double nan = 0, double? posinf = null, double? neginf = null) => Op.Call("nan_to_num", this, nan, posinf, neginf);
        public Tensor nan_to_num_(double nan = 0, double? posinf = null, double? neginf = null) =>
            Op.InPlace("nan_to_num_", this, nan, posinf, neginf);
        public Tensor logit(double? eps = null) => Op.Call("logit", this, eps);
        public Tensor logit_(double? eps = null) => Op.InPlace("logit_", this, eps);
        public Tensor sigmoid() => Op.Call("sigmoid", this);
        public Tensor sigmoid_() => Op.InPlace("sigmoid_", this);
        public Tensor tanh() => Op.Call("tanh", this);
        public Tensor tanh_() => Op.InPlace("tanh_", this);
        public Tensor relu() => Op.Call("relu", this);
        public Tensor relu_() => Op.InPlace("relu_", this);
        public Tensor silu() => Op.Call("silu", this);
        public Tensor silu_() => Op.InPlace("silu_", this);
        public Tensor gelu() => Op.Call("gelu", this);
        public Tensor gelu_() => Op.InPlace("gelu_", this);
        public Tensor softplus(double beta = 1, double threshold = 20) => Op.Call("softplus", this, beta, threshold);
        public Tensor softmax(long dim, ScalarType? dtype = null) => Op.Call("softmax.int", this, dim, dtype);
        public Tensor log_softmax(long dim, ScalarType? dtype = null) => Op.Call("log_softmax.int", this, dim, dtype);
        public Tensor log_sigmoid() => Op.Call("log_sigmoid", this);
        public Tensor leaky_relu(Scalar negative_slope) => Op.Call("leaky_relu", this, negative_slope);
        public Tensor leaky_relu_(Scalar negative_slope) => Op.InPlace("leaky_relu_", this, negative_slope);
        public Tensor hardtanh(Scalar min, Scalar max) => Op.Call("hardtanh", this, min, max);
        public Tensor glu(long dim = -1) => Op.Call("glu", this, dim);
    }
}
