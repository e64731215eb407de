using TorchSharp.Modules;

namespace TorchSharp;

public static partial class torch
{
    public static partial class nn
    {
        public static Parameter Parameter(Tensor data, bool requires_grad = true) => new(data, requires_grad);

        public static class utils
        {
            /// <summary>Scales all gradients together so that their norm is at most max_norm; returns the norm before.</summary>
            public static double clip_grad_norm_(IEnumerable<Parameter> tensors, double max_norm, double norm_type = 2.0)
            {
                using var guard = no_grad();
                using var scope = NewDisposeScope();
                var gradients = GradientsOf(tensors);
                if (gradients.Length == 0)
                {
                    return 0;
                }

                var norms = stack(gradients.Select(gradient => Op.Call("linalg_vector_norm", gradient, norm_type)));
                var total = Op.Call("linalg_vector_norm", norms, norm_type).ToDouble();
                var scale = max_norm / (total + 1e-6);
                if (!(scale >= 1))
                {
                    foreach (var gradient in gradients)
                    {
                        gradient.mul_(scale);
                    }
                }

                return total;
            }

            /// <summary>Clamps every element of every gradient to [−clip_value, clip_value].</summary>
            public static void clip_grad_value_(IEnumerable<Parameter> tensors, double clip_value)
            {
                using var guard = no_grad();
                using var scope = NewDisposeScope();
                foreach (var gradient in GradientsOf(tensors))
                {
                    gradient.clamp_(min: (Scalar)(-clip_value), max: (Scalar)clip_value);
                }
            }

            private static Tensor[] GradientsOf(IEnumerable<Parameter> parameters)
                => parameters.Select(parameter => parameter.grad).OfType<Tensor>().ToArray();
        }
    }
}
