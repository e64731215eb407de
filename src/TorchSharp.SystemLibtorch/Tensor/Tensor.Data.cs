namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        /// <summary>The elements in place, by index. CPU only; T is the element's own type (float for the half ones is refused).</summary>
        public Utils.TensorAccessor<T> data<T>() where T : struct
        {
            OnCpu();
            if (Elements.TypeOf<T>() != dtype)
                throw new ArgumentException($"This tensor holds {dtype}, not {typeof(T).Name}. Convert it first, or use ToSingle() and its like.");
            return new Utils.TensorAccessor<T>(this);
        }

        public T item<T>() where T : struct
        {
            if (NumberOfElements != 1) throw new ArgumentException($"item() needs a tensor of one element; this one has {NumberOfElements}.");
            if (device_type != DeviceType.CPU)
            {
                using var local = cpu();
                return local.item<T>();
            }
            return data<T>()[Enumerable.Repeat(0L, (int)Dimensions).ToArray()];
        }

        public Scalar ToScalar() => Op.Scalar("_local_scalar_dense", this);

        public unsafe Span<byte> bytes
        {
            get => new((void*)Contiguous(), checked((int)(NumberOfElements * ElementSize)));
            set
            {
                var bytes = NumberOfElements * ElementSize;
                if (value.Length != bytes) throw new ArgumentException($"This tensor has {bytes} bytes; {value.Length} were given.");
                value.CopyTo(new Span<byte>((void*)Contiguous(), value.Length));
            }
        }

        public void WriteBytesToStream(Stream stream, int bufferSize = 1024) => Whole(part => stream.Write(part));

        public void ReadBytesFromStream(Stream stream, int bufferSize = 1024) => Whole(part => stream.ReadExactly(part));

        public T ReadCpuValue<T>(long i) where T : struct => data<T>().Flat(i);
        public byte ReadCpuByte(long i) => ReadCpuValue<byte>(i);
        public sbyte ReadCpuSByte(long i) => ReadCpuValue<sbyte>(i);
        public short ReadCpuInt16(long i) => ReadCpuValue<short>(i);
        public int ReadCpuInt32(long i) => ReadCpuValue<int>(i);
        public long ReadCpuInt64(long i) => ReadCpuValue<long>(i);
        public bool ReadCpuBool(long i) => ReadCpuValue<bool>(i);
        public float ReadCpuSingle(long i) => ReadCpuValue<float>(i);
        public double ReadCpuDouble(long i) => ReadCpuValue<double>(i);
        public float ReadCpuFloat16(long i) => (float)ReadCpuValue<Half>(i);
        public float ReadCpuBFloat16(long i) => ReadCpuValue<BFloat16>(i).ToSingle();

        internal IntPtr DataPointer()
        {
            Native.Check(Native.lt_data(Handle, out var data));
            return data;
        }

        private delegate void Part(Span<byte> bytes);

        /// <summary>Hands over all bytes in order, in parts that a span can hold.</summary>
        private unsafe void Whole(Part part)
        {
            var at = (byte*)Contiguous();
            for (var left = NumberOfElements * ElementSize; left > 0;)
            {
                var length = (int)Math.Min(left, 1 << 30);
                part(new Span<byte>(at, length));
                at += length;
                left -= length;
            }
        }

        private IntPtr Contiguous()
        {
            OnCpu();
            if (!is_contiguous()) throw new InvalidOperationException("The bytes of a tensor that is not contiguous are not in order: call contiguous() first.");
            return DataPointer();
        }

        private void OnCpu()
        {
            if (device_type != DeviceType.CPU) throw new InvalidOperationException($"Data can be read from the CPU only; this tensor is on {device}. Call cpu() first.");
        }
    }
}
