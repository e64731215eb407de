using System.Globalization;

namespace TorchSharp;

public static partial class torch
{
    public class Device
    {
        public Device(string description)
        {
            var parts = description.Split(':');
            if (parts.Length > 2) throw new ArgumentException($"Not a device: '{description}'. Write 'cpu', 'cuda' or 'cuda:0'.", nameof(description));
            type = Parse(parts[0]);
            index = parts.Length == 2 ? int.Parse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture) : NoIndex(type);
            InitializeDeviceType(type);
        }

        public Device(string deviceType, int index = -1) : this(Parse(deviceType), index) { }

        public Device(DeviceType deviceType, int index = -1)
        {
            type = deviceType;
            this.index = index < 0 ? NoIndex(deviceType) : index;
            InitializeDeviceType(type);
        }

        public Device(int index) : this(DeviceType.CUDA, index) { }

        public DeviceType type { get; }
        public int index { get; }

        public static implicit operator Device(string description) => new(description);

#pragma warning disable CA1308 // The names of devices are lower case.
        public override string ToString() =>
            type == DeviceType.CPU || index < 0
                ? type.ToString().ToLowerInvariant()
                : string.Create(CultureInfo.InvariantCulture, $"{type.ToString().ToLowerInvariant()}:{index}");
#pragma warning restore CA1308

        internal bool Is(Device other) => type == other.type && index == other.index;

        // The CPU has no index; a CUDA device that is not named is the first.
        private static int NoIndex(DeviceType type) => type == DeviceType.CUDA ? 0 : -1;

        private static DeviceType Parse(string name) =>
            Enum.TryParse<DeviceType>(name, ignoreCase: true, out var found) && Enum.IsDefined(found)
                ? found
                : throw new ArgumentException($"Not a kind of device: '{name}'. Write 'cpu', 'cuda' or 'meta'.", nameof(name));
    }

    public static readonly Device CPU = new(DeviceType.CPU);
    public static readonly Device META = new(DeviceType.META);
    public static Device CUDA => new(DeviceType.CUDA);

    public static Device device(string description) => new(description);
    public static Device device(string deviceType, int index = -1) => new(deviceType, index);
    public static Device device(DeviceType deviceType, int index = -1) => new(deviceType, index);
    public static Device device(int index) => new(index);

    private static Device _defaultDevice = CPU;

    public static Device get_default_device() => _defaultDevice;
    public static void set_default_device(Device device) => _defaultDevice = device;
    public static void set_default_device(string device) => _defaultDevice = new Device(device);

    public static bool TryInitializeDeviceType(DeviceType deviceType) => deviceType switch
    {
        DeviceType.CPU or DeviceType.META => true,
        DeviceType.CUDA => Native.lt_cuda_available() != 0,
        _ => false,
    };

    public static void InitializeDeviceType(DeviceType deviceType)
    {
        if (!TryInitializeDeviceType(deviceType))
            throw new InvalidOperationException($"The installed libtorch cannot use {deviceType} here. Ask torch.cuda.is_available() before choosing a device.");
    }

    public static Device InitializeDevice(Device? device)
    {
        device ??= get_default_device();
        InitializeDeviceType(device.type);
        return device;
    }
}
