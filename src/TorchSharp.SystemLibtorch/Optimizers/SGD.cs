using TorchSharp.Modules;

namespace TorchSharp.Modules
{
    /// <summary>Gradient descent with optional momentum, Nesterov or not.</summary>
    public partial class SGD : OptimizerHelper, torch.optim.IMomentum
    {
        public SGD(IEnumerable<Parameter> parameters, double lr, double momentum = 0.0, double dampening = 0, double weight_decay = 0, bool nesterov = false, bool maximize = false)
            : this([new ParamGroup { Parameters = parameters }], lr, momentum, dampening, weight_decay, nesterov, maximize)
        {
        }

        public SGD(IEnumerable<ParamGroup> parameters, double lr, double momentum = 0.0, double dampening = 0, double weight_decay = 0, bool nesterov = false, bool maximize = false)
        {
            Invalid.When(lr < 0, "learning rate", lr);
            Invalid.When(momentum < 0, "momentum value", momentum);
            Invalid.When(weight_decay < 0, "weight_decay value", weight_decay);
            if (nesterov && (momentum <= 0 || dampening != 0))
            {
                throw new ArgumentException("Nesterov momentum requires a momentum and zero dampening");
            }

            _defaults = new Options
            {
                LearningRate = lr,
                InitialLearningRate = lr,
                momentum = momentum,
                dampening = dampening,
                weight_decay = weight_decay,
                nesterov = nesterov,
                maximize = maximize,
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

            if (options.weight_decay is { } decay and not 0)
            {
                gradient = gradient.add(param, alpha: decay);
            }

            if (options.momentum is { } momentum and not 0)
            {
                if (state.momentum_buffer is { } buffer)
                {
                    buffer.mul_(momentum).add_(gradient, alpha: 1 - options.dampening!.Value);
                }
                else
                {
                    buffer = state.momentum_buffer = gradient.clone().detach().DetachFromDisposeScope();
                }

                gradient = options.nesterov!.Value ? gradient.add(buffer, alpha: momentum) : buffer;
            }

            var lr = options.LearningRate!.Value;
            param.add_(gradient, alpha: options.maximize!.Value ? lr : -lr);
        }
    }
}

namespace TorchSharp
{
    public static partial class torch
    {
        public static partial class optim
        {
            public static SGD SGD(IEnumerable<Parameter> parameters, double learningRate, double momentum = 0.0, double dampening = 0, double weight_decay = 0, bool nesterov = false, bool maximize = false)
                => new(parameters, learningRate, momentum, dampening, weight_decay, nesterov, maximize);

            public static SGD SGD(IEnumerable<(string name, Parameter parameter)> parameters, double learningRate, double momentum = 0.0, double dampening = 0, double weight_decay = 0, bool nesterov = false, bool maximize = false)
                => new(parameters.Select(named => named.parameter), learningRate, momentum, dampening, weight_decay, nesterov, maximize);

            public static SGD SGD(IEnumerable<SGD.ParamGroup> parameters, double learningRate, double momentum = 0.0, double dampening = 0, double weight_decay = 0, bool nesterov = false, bool maximize = false)
                => new(parameters, learningRate, momentum, dampening, weight_decay, nesterov, maximize);
        }
    }
}
