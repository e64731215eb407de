namespace TorchSharp;

public static partial class torch
{
    public class Generator : IDisposable
    {
        private IntPtr _handle;

        public Generator(ulong seed = 0, Device? device = null)
        {
            this.device = device ?? CPU;
            Native.Check(Native.lt_generator_new((int)this.device.type, this.device.index, seed, out _handle));
        }

        private Generator(IntPtr handle, Device device)
        {
            _handle = handle;
            this.device = device;
        }

        ~Generator() => Dispose(false);

        public static Generator Default
        {
            get
            {
                Native.Check(Native.lt_generator_default((int)DeviceType.CPU, -1, out var handle));
                return new Generator(handle, CPU);
            }
        }

        public Device device { get; }

        public IntPtr Handle => _handle != IntPtr.Zero ? _handle : throw new ObjectDisposedException(nameof(Generator));

        public Generator manual_seed(long seed)
        {
            Native.Check(Native.lt_generator_seed(Handle, unchecked((ulong)seed)));
            return this;
        }

        public long seed()
        {
            Native.Check(Native.lt_generator_reseed(Handle, out var seed));
            return unchecked((long)seed);
        }

        public long initial_seed()
        {
            Native.Check(Native.lt_generator_current(Handle, out var seed));
            return unchecked((long)seed);
        }

        public Tensor get_state()
        {
            Native.Check(Native.lt_generator_state(Handle, out var state));
            return new Tensor(state);
        }

        public void set_state(Tensor value) => Native.Check(Native.lt_generator_set_state(Handle, value.Handle));

        public void Dispose()
        {
            Dispose(true);
            GC.SuppressFinalize(this);
        }

        protected virtual void Dispose(bool disposing)
        {
            var owned = Interlocked.Exchange(ref _handle, IntPtr.Zero);
            if (owned != IntPtr.Zero) Native.lt_generator_free(owned);
        }
    }

    public static Generator manual_seed(long seed)
    {
        Native.Check(Native.lt_manual_seed(unchecked((ulong)seed)));
        return Generator.Default;
    }

    public static long seed()
    {
        using var generator = Generator.Default;
        var drawn = generator.seed();
        Native.Check(Native.lt_manual_seed(unchecked((ulong)drawn)));
        return drawn;
    }

    public static long initial_seed()
    {
        using var generator = Generator.Default;
        return generator.initial_seed();
    }

    public static Tensor get_rng_state()
    {
        using var generator = Generator.Default;
        return generator.get_state();
    }

    public static void set_rng_state(Tensor new_state)
    {
        using var generator = Generator.Default;
        generator.set_state(new_state);
    }

    public static class random
    {
        public static Generator manual_seed(long seed) => torch.manual_seed(seed);
        public static long seed() => torch.seed();
        public static long initial_seed() => torch.initial_seed();
        public static Tensor get_rng_state() => torch.get_rng_state();
        public static void set_rng_state(Tensor new_state) => torch.set_rng_state(new_state);
    }
}
