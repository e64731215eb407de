using TorchSharp.Modules;

namespace TorchSharp.Modules
{
    /// <summary>Adam with decoupled weight decay.</summary>
    /// <remarks>Loshchilov and Hutter, Decoupled Weight Decay Regularization, arXiv:1711.05101.</remarks>
    public partial class AdamW : OptimizerHelper, torch.optim.IBetas
    {
        public AdamW(IEnumerable<Parameter> parameters, double lr = 1e-3, double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0, bool amsgrad = false, bool maximize = false)
            : this([new ParamGroup { Parameters = parameters }], lr, beta1, beta2, eps, weight_decay, amsgrad, maximize)
        {
        }

        public AdamW(IEnumerable<ParamGroup> parameters, double lr = 1e-3, double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0, bool amsgrad = false, bool maximize = false)
        {
            Invalid.When(lr < 0, "learning rate", lr);
            Invalid.When(eps < 0, "ε", eps);
            Invalid.When(beta1 is < 0 or >= 1, nameof(beta1), beta1);
            Invalid.When(beta2 is < 0 or >= 1, nameof(beta2), beta2);
            Invalid.When(weight_decay < 0, "weight_decay value", weight_decay);

            _defaults = new Options
            {
                LearningRate = lr,
                InitialLearningRate = lr,
                beta1 = beta1,
                beta2 = beta2,
                eps = eps,
                weight_decay = weight_decay,
                amsgrad = amsgrad,
                maximize = maximize,
            };
            foreach (var group in parameters)
            {
                add_param_group(group);
            }
        }

        public (double, double) Betas
        {
            get => (Defaults.beta1!.Value, Defaults.beta2!.Value);
            set => (Defaults.beta1, Defaults.beta2) = value;
        }

        private Options Defaults => (Options)_defaults;

        public override void add_param_group(Modules.ParamGroup param_group)
        {
            var options = (Options)(param_group.Options ??= new Options());
            options.Complete(Defaults);
            base.add_param_group(param_group);
            foreach (var parameter in param_group.Parameters)
            {
                var state = new State(parameter);
                state.Initialize(options);
                _state[parameter.Handle] = state;
            }
        }

        public override torch.Tensor? step(Func<torch.Tensor>? closure = null)
            => _step<ParamGroup>(group =>
            {
                foreach (var parameter in group.Parameters)
                {
                    Update(parameter, (State)_state[parameter.Handle], group.Options);
                }
            }, closure);

        protected override void Dispose(bool disposing)
        {
            base.Dispose(disposing);
            if (disposing)
            {
                foreach (var state in _state.Values)
                {
                    ((State)state).Dispose();
                }
            }
        }

        private static void Update(Parameter param, State state, Options options)
        {
            var gradient = param.grad;
            if (gradient is null)
            {
                return;
            }

            if (options.maximize!.Value)
            {
                gradient = -gradient;
            }

            var (lr, beta1, beta2, eps, decay) = options.Numbers;
            state.step++;
            var correction1 = 1 - Math.Pow(beta1, state.step);
            var correction2 = 1 - Math.Pow(beta2, state.step);

            param.mul_(1 - (lr * decay));
            state.exp_avg!.mul_(beta1).add_(gradient, alpha: 1 - beta1);
            state.exp_avg_sq!.mul_(beta2).addcmul_(gradient, gradient, value: 1 - beta2);

            var secondMoment = options.amsgrad!.Value ? state.LargestSecondMoment() : state.exp_avg_sq;
            var denominator = (secondMoment.sqrt() / Math.Sqrt(correction2)).add_(eps);
            param.addcdiv_(state.exp_avg, denominator, value: -lr / correction1);
        }
    }
}

namespace TorchSharp
{
    public static partial class torch
    {
        public static partial class optim
        {
            public static AdamW AdamW(IEnumerable<Parameter> parameters, double lr = 1e-3, double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0, bool amsgrad = false, bool maximize = false)
                => new(parameters, lr, beta1, beta2, eps, weight_decay, amsgrad, maximize);

            public static AdamW AdamW(IEnumerable<(string name, Parameter parameter)> parameters, double lr = 1e-3, double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0, bool amsgrad = false, bool maximize = false)
                => new(parameters.Select(named => named.parameter), lr, beta1, beta2, eps, weight_decay, amsgrad, maximize);

            public static AdamW AdamW(IEnumerable<AdamW.ParamGroup> parameters, double lr = 1e-3, double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0, bool amsgrad = false, bool maximize = false)
                => new(parameters, lr, beta1, beta2, eps, weight_decay, amsgrad, maximize);
        }
    }
}
