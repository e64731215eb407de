using FluentAssertions;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Architecture;

/// <summary>Numbers are held until native code is done with them.</summary>
public class ScalarCallTests
{
    [Fact]
    public void No_code_lets_go_of_a_scalar_that_native_code_reads() =>
        LooseScalars.In(typeof(ILowRankStrategy).Assembly).Should().BeEmpty(LooseScalars.Because);

    [Fact]
    public void Each_kind_is_seen() =>
        LooseScalars.In([typeof(ScalarCallTests)]).Should().BeEquivalentTo([
            $"{nameof(Takes)}: mul_", $"{nameof(ByOperator)}: op_Division", $"{nameof(Makes)}: square", $"{nameof(Reads)}: ToDouble",
            $"{nameof(Adds)}: op_Addition",
        ]);

    private static Tensor Takes(Tensor x) => x.mul_(0.5);

    private static Tensor ByOperator(Tensor x) => x / 3;

    private static Tensor Makes(Tensor x) => x.square();

    private static double Reads(Tensor x) => x.ToDouble();

    private static Tensor Adds(Tensor x) => x + x;
}
