using TorchSharp.Modules;

namespace TorchSharp.Modules
{
    /// <summary>Divides the gradient by a running root mean square of its own.</summary>
    public partial class RMSProp : OptimizerHelper, torch.optim.IMomentum
    {
        public RMSProp(IEnumerable<Parameter> parameters, double lr = 1e-3, double alpha = 0.99, double eps = 1e-8, double weight_decay = 0, double momentum = 0.0, bool centered = false, bool maximize = false)
            : this([new ParamGroup { Parameters = parameters }], lr, alpha, eps, weight_decay, momentum, centered, maximize)
        {
        }

        public RMSProp(IEnumerable<ParamGroup> parameters, double lr = 1e-3, double alpha = 0.99, double eps = 1e-8, double weight_decay = 0, double momentum = 0.0, bool centered = false, bool maximize = false)
        {
            Invalid.When(lr < 0, "learning rate", lr);
            Invalid.When(eps < 0, "ε", eps);
            Invalid.When(alpha < 0, nameof(alpha), alpha);
            Invalid.When(momentum < 0, "momentum value", momentum);
            Invalid.When(weight_decay < 0, "weight_decay value", weight_decay);

            _defaults = new Options
            {
                LearningRate = lr,
                InitialLearningRate = lr,
                maximize = maximize,
                momentum = momentum,
                alpha = alpha,
                eps = eps,
                weight_decay = weight_decay,
                centered = centered,
            };
            foreach (var group in parameters)
            {
                add_param_group(group);
            }
        }

        public double Momentum
        {
            get => Defaults.momentum!.Value;
            set => Defaults.momentum = value;
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

                _state.Clear();
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

            if (options.weight_decay is { } decay and not 0)
            {
                gradient = gradient.add(param, alpha: decay);
            }

            var (lr, alpha, eps) = (options.LearningRate!.Value, options.alpha!.Value, options.eps!.Value);
            state.step++;
            state.square_avg!.mul_(alpha).addcmul_(gradient, gradient, value: 1 - alpha);

            var secondMoment = state.square_avg;
            if (options.centered!.Value)
            {
                var mean = state.grad_avg!.mul_(alpha).add_(gradient, alpha: 1 - alpha);
                secondMoment = state.square_avg.addcmul(mean, mean, value: -1);
            }

            var denominator = secondMoment.sqrt().add_(eps);
            if (options.momentum is { } momentum and > 0)
            {
                var velocity = state.momentum_buffer!.mul_(momentum).addcdiv_(gradient, denominator, value: 1);
                param.add_(velocity, alpha: -lr);
            }
            else
            {
                param.addcdiv_(gradient, denominator, value: -lr);
            }
        }
    }
}

namespace TorchSharp
{
    public static partial class torch
    {
        public static partial class optim
        {
            public static RMSProp RMSProp(IEnumerable<Parameter> parameters, double lr = 0.01, double alpha = 0.99, double eps = 1e-8, double weight_decay = 0, double momentum = 0.0, bool centered = false, bool maximize = false)
                => new(parameters, lr, alpha, eps, weight_decay, momentum, centered, maximize);

            public static RMSProp RMSProp(IEnumerable<(string name, Parameter parameter)> parameters, double lr = 0.01, double alpha = 0.99, double eps = 1e-8, double weight_decay = 0, double momentum = 0.0, bool centered = false, bool maximize = false)
                => new(parameters.Select(named => named.parameter), lr, alpha, eps, weight_decay, momentum, centered, maximize);

            public static RMSProp RMSProp(IEnumerable<RMSProp.ParamGroup> parameters, double lr = 0.01, double alpha = 0.99, double eps = 1e-8, double weight_decay = 0, double momentum = 0.0, bool centered = false, bool maximize = false)
                => new(parameters, lr, alpha, eps, weight_decay, momentum, centered, maximize);
        }
    }
}
