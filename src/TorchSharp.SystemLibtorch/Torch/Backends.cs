using System.Runtime.InteropServices;

namespace TorchSharp;

public static partial class torch
{
    public static string __version__ => Marshal.PtrToStringUTF8(Native.lt_version())!;

    public static int get_num_threads() => Native.lt_threads();
    public static void set_num_threads(int num) => Native.Check(Native.lt_set_threads(num));
    public static int get_num_interop_threads() => Native.lt_interop_threads();
    public static void set_num_interop_threads(int num) => Native.Check(Native.lt_set_interop_threads(num));

    public static bool cuda_is_available() => cuda.is_available();
    public static bool mps_is_available() => false;

    public static class cuda
    {
        public static bool is_available() => Native.lt_cuda_available() != 0;
        public static bool is_cudnn_available() => Native.lt_cudnn_available() != 0;
        public static int device_count() => Native.lt_cuda_count();
        public static void manual_seed(long seed) => Native.Check(Native.lt_cuda_seed(unchecked((ulong)seed), 0));
        public static void manual_seed_all(long seed) => Native.Check(Native.lt_cuda_seed(unchecked((ulong)seed), 1));
        public static void synchronize(Device? device = null) => Native.Check(Native.lt_cuda_synchronize(device?.index ?? -1));
    }

    public static partial class backends
    {
        public static partial class cuda
        {
            public static class matmul
            {
                public static bool allow_tf32
                {
                    get => Native.lt_tf32(0) != 0;
                    set => Native.lt_set_tf32(0, value ? 1 : 0);
                }

                public static bool allow_fp16_reduced_precision_reduction
                {
                    get => Native.lt_fp16_reduction() != 0;
                    set => Native.lt_set_fp16_reduction(value ? 1 : 0);
                }
            }
        }

        public static class cudnn
        {
            public static bool allow_tf32
            {
                get => Native.lt_tf32(1) != 0;
                set => Native.lt_set_tf32(1, value ? 1 : 0);
            }
        }
    }
}
