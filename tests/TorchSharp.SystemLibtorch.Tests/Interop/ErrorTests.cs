using System.Runtime.InteropServices;
using FluentAssertions;
using Xunit;
using static TorchSharp.torch;

namespace TorchSharp.SystemLibtorch.Tests.Interop;

public sealed partial class ErrorTests
{
    [Fact]
    public void A_failure_carries_libtorchs_words_without_its_stack()
    {
        var act = () => ones(2, 3).mm(ones(2, 3));
        act.Should().Throw<ExternalException>().WithMessage("mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)*")
            .Which.Message.Should().NotContain("frame #");
    }

    [Fact]
    public void A_failure_of_an_in_place_operation_leaves_the_tensor()
    {
        var x = zeros(2, requires_grad: true);
        x.Invoking(t => t.add_(1)).Should().Throw<ExternalException>().WithMessage("*leaf Variable*");
        using (no_grad()) x.add_(1);
        x.sum().ToSingle().Should().Be(2);
    }

    [Theory]
    [InlineData("UCX_HANDLE_ERRORS")]
    [InlineData("OMP_WAIT_POLICY")]
    public void The_environment_of_the_process_is_prepared(string name)
    {
        _ = ones(1);
        Marshal.PtrToStringUTF8(getenv(name)).Should().NotBeNullOrEmpty();
    }

    [Fact]
    public void A_null_reference_is_an_exception_and_no_crash()
    {
        Tensor? none = null;
        var act = () => none!.shape;
        act.Should().Throw<NullReferenceException>();
    }

    [Fact]
    public void A_device_that_is_not_there_is_refused_by_name()
    {
        if (cuda.is_available()) return;
        var act = () => zeros(1, device: "cuda");
        act.Should().Throw<InvalidOperationException>().WithMessage("*CUDA*");
        new Device("cpu").ToString().Should().Be("cpu");
        cuda.device_count().Should().Be(0);
    }

    [Fact]
    public void Threads_can_be_set()
    {
        var before = get_num_threads();
        set_num_threads(1);
        get_num_threads().Should().Be(1);
        set_num_threads(before);
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial IntPtr getenv(string name);
}
