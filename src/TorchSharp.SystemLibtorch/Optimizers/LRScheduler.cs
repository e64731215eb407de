namespace TorchSharp;

public static partial class torch
{
    public static partial class optim
    {
        public static partial class lr_scheduler
        {
            /// <summary>Sets the learning rates of an optimizer's groups as training goes on. The constructor of a concrete schedule takes its first step.</summary>
            public abstract class LRScheduler
            {
                protected int _step_count;
                internal Optimizer _optimizer = null!;
                internal int _last_epoch = -1;
                internal IList<double> _base_lrs = [];
                internal IList<double> _last_lrs = [];
                private readonly bool _verbose;

                protected LRScheduler()
                {
                }

                protected LRScheduler(Optimizer optimizer, int last_epoch = -1, bool verbose = false)
                {
                    ArgumentNullException.ThrowIfNull(optimizer);
                    (_optimizer, _last_epoch, _verbose) = (optimizer, last_epoch, verbose);
                    _base_lrs = optimizer.ParamGroups.Select(group => group.InitialLearningRate).ToList();
                    _last_lrs = optimizer.ParamGroups.Select(group => group.LearningRate).ToList();
                }

                public virtual void step() => step(null);

                /// <param name="epoch">Where to jump to; null moves on by one.</param>
                public virtual void step(int? epoch)
                {
                    _step_count++;
                    _last_epoch = epoch ?? _last_epoch + 1;
                    var rates = (epoch is null ? get_lr() : get_closed_form_lr()).ToList();
                    foreach (var (group, position) in _optimizer.ParamGroups.Select((group, position) => (group, position)).ToList())
                    {
                        if (_verbose && _last_lrs[position] != rates[position])
                        {
                            Console.WriteLine($"Adjusting learning rate to {rates[position]}");
                        }

                        group.LearningRate = _last_lrs[position] = rates[position];
                    }
                }

                /// <param name="current">A metric, which most schedules ignore.</param>
                /// <param name="epoch">Where to jump to; null moves on by one.</param>
                public virtual void step(double current, int? epoch = null) => step(epoch);

                public IEnumerable<double> get_last_lr() => _last_lrs;

                protected virtual IEnumerable<double> get_lr() => CurrentRates;

                protected virtual IEnumerable<double> get_closed_form_lr() => get_lr();

                private protected IEnumerable<double> CurrentRates => _optimizer.ParamGroups.Select(group => group.LearningRate);
            }
        }
    }
}
