namespace TorchSharp;

public static partial class torch
{
    public static partial class optim
    {
        public static partial class lr_scheduler
        {
            public static LRScheduler CosineAnnealingLR(Optimizer optimizer, double T_max, double eta_min = 0, int last_epoch = -1, bool verbose = false)
                => new impl.CosineAnnealingLR(optimizer, T_max, eta_min, last_epoch, verbose);

            public static partial class impl
            {
                /// <summary>Half a cosine from the initial rate down to eta_min in T_max epochs, and back up after that.</summary>
                public class CosineAnnealingLR : LRScheduler
                {
                    private readonly double _period;
                    private readonly double _lowest;

                    public CosineAnnealingLR(Optimizer optimizer, double T_max, double eta_min = 0, int last_epoch = -1, bool verbose = false)
                        : base(optimizer, last_epoch, verbose)
                    {
                        (_period, _lowest) = (T_max, eta_min);
                        step();
                    }

                    protected override IEnumerable<double> get_lr()
                    {
                        if (_last_epoch == 0)
                        {
                            return CurrentRates;
                        }

                        // Just after a minimum the ratio of two neighbours on the curve is undefined.
                        return (_last_epoch - 1 - _period) % (2 * _period) == 0
                            ? CurrentRates.Zip(_base_lrs, (rate, initial) => rate + ((initial - _lowest) * (1 - Math.Cos(Math.PI / _period)) / 2))
                            : CurrentRates.Select(rate => (Height(_last_epoch) / Height(_last_epoch - 1) * (rate - _lowest)) + _lowest);
                    }

                    protected override IEnumerable<double> get_closed_form_lr()
                        => _base_lrs.Select(initial => _lowest + ((initial - _lowest) * Height(_last_epoch) / 2));

                    private double Height(int epoch) => 1 + Math.Cos(Math.PI * epoch / _period);
                }
            }
        }
    }
}
