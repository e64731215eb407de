namespace TorchSharp;

public static partial class torch
{
    public static bool is_grad_enabled() => Native.lt_grad_mode() != 0;
    public static bool is_inference_mode_enabled() => Native.lt_inference_mode() != 0;

    public static IDisposable no_grad() => new GradMode(false);
    public static IDisposable enable_grad(bool enabled = true) => new GradMode(enabled);
    public static IDisposable set_grad_enabled(bool mode = true) => new GradMode(mode);
    public static IDisposable inference_mode(bool mode = true) => new InferenceMode(mode);

    private sealed class GradMode : IDisposable
    {
        private readonly bool _before = is_grad_enabled();

        internal GradMode(bool enabled) => Native.lt_set_grad_mode(enabled ? 1 : 0);

        public void Dispose() => Native.lt_set_grad_mode(_before ? 1 : 0);
    }

    private sealed class InferenceMode : IDisposable
    {
        private IntPtr _guard;

        internal InferenceMode(bool enabled) => Native.Check(Native.lt_inference_enter(enabled ? 1 : 0, out _guard));

        public void Dispose()
        {
            var guard = Interlocked.Exchange(ref _guard, IntPtr.Zero);
            if (guard != IntPtr.Zero) Native.lt_inference_leave(guard);
        }
    }
}
