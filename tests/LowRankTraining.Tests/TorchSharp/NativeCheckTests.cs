using FluentAssertions;
using Xunit;

namespace LowRankTraining.Tests.Natives;

/// <summary>The one line that a program of the repository ends with where TorchSharp's natives cannot be loaded.</summary>
public sealed class NativeCheckTests : IDisposable
{
    private static readonly DllNotFoundException Missing = new("Unable to load DLL 'LibTorchSharp' or one of its dependencies (0x8007007E)");

    private readonly string _natives = Directory.CreateTempSubdirectory("lowrank-").FullName;

    /// <summary>The loader says the same in all three situations.</summary>
    [Theory]
    [InlineData("", "not in the program's folder", "win-x64")]
    [InlineData("LibTorchSharp.dll", "torch_cpu.dll", "reference TorchSharp-cpu")]
    [InlineData("LibTorchSharp.dll torch_cpu.dll", "it needs is missing", "vc_redist")]
    public void What_is_missing_on_Windows_is_told_by_what_is_there(string files, string reason, string advice)
    {
        foreach (var file in files.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            File.WriteAllText(Path.Combine(_natives, file), "");

        var found = NativeCheck.ReasonOnWindows(Missing, [Path.Combine(_natives, "nothing"), _natives]);

        (found, NativeCheck.Advice(found)).Should().Match<(string Reason, string Advice)>(line => line.Reason.Contains(reason) && line.Advice.Contains(advice));
    }

    [Fact]
    public void File_that_Windows_cannot_read_as_a_library_is_called_damaged()
    {
        foreach (var file in new[] { "LibTorchSharp.dll", "torch_cpu.dll" })
            File.WriteAllText(Path.Combine(_natives, file), "");

        NativeCheck.Advice(NativeCheck.ReasonOnWindows(new BadImageFormatException(), [_natives])).Should().Contain("build again");
    }

    public void Dispose() => Directory.Delete(_natives, recursive: true);
}
