namespace TorchSharp;

public static partial class torch
{
    public static partial class nn
    {
        public static partial class functional
        {
            private const string FusedAttention = "scaled_dot_product_attention";

            /// <summary>softmax(Q Kᵀ / √d + mask) V, with dropout p on the weights.</summary>
            /// <param name="query">Queries, (..., L, d).</param>
            /// <param name="key">Keys, (..., S, d).</param>
            /// <param name="value">Values, (..., S, e).</param>
            /// <param name="attn_mask">True where a query may look, or a tensor that is added; broadcast to (..., L, S).</param>
            /// <param name="is_casual">Whether query i sees only the keys up to i; excludes a mask.</param>
            public static Tensor scaled_dot_product_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_mask = null, double p = 0.0, bool is_casual = false)
            {
                if (is_casual && attn_mask is not null)
                {
                    throw new ArgumentException("Explicit attn_mask should not be set when is_casual is true: pass one or the other.");
                }

                return Op.Exists(FusedAttention)
                    ? Op.Call(FusedAttention, query, key, value, attn_mask, p, is_casual)
                    : ComposedAttention(query, key, value, attn_mask, p, is_casual);
            }

            private static Tensor ComposedAttention(Tensor query, Tensor key, Tensor value, Tensor? mask, double p, bool causal)
            {
                var shape = query.shape;
                using var scaled = Op.Call("mul.Scalar", query, 1 / Math.Sqrt(shape[^1]));
                using var transposed = key.transpose(-2, -1);
                using var scores = scaled.matmul(transposed);
                using var masked = causal ? HideFuture(scores) : Masked(scores, mask);
                using var weights = masked.softmax(-1);
                using var kept = p > 0 ? dropout(weights, p) : weights.alias();
                return kept.matmul(value);
            }

            /// <summary>Adds −∞ in place where a key comes after its query: no copy of the scores, and no pass over them on the way back.</summary>
            private static Tensor HideFuture(Tensor scores)
            {
                var shape = scores.shape;
                using var hidden = full(shape[^2], shape[^1], double.NegativeInfinity, dtype: scores.dtype, device: scores.device);
                using var future = hidden.triu(1);
                scores.add_(future);
                return scores.alias();
            }

            private static Tensor Masked(Tensor scores, Tensor? mask)
            {
                if (mask is null)
                {
                    return scores.alias();
                }

                if (mask.dtype != ScalarType.Bool)
                {
                    return scores.add(mask);
                }

                using var hidden = mask.logical_not();
                return scores.masked_fill(hidden, double.NegativeInfinity);
            }
        }
    }
}
