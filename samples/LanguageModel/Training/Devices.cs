using static TorchSharp.torch;

namespace LanguageModel.Training;

/// <summary>Devices by the names of the command line.</summary>
public static class Devices
{
    /// <summary>The CPU, the first CUDA device, or with <c>auto</c> CUDA where there is one.</summary>
    /// <exception cref="UserException">No such device.</exception>
    public static Device Find(string name) => name.ToLowerInvariant() switch
    {
        "cpu" => CPU,
        "auto" => cuda.is_available() ? CUDA : CPU,
        "cuda" when cuda.is_available() => CUDA,
        "cuda" => throw new UserException("This libtorch sees no CUDA device. Use --device cpu, or build with -p:TorchBackend=cuda-linux (or cuda-windows)."),
        _ => throw new UserException($"There is no device '{name}'. Choose one of: auto, cpu, cuda."),
    };
}
