using System.Runtime.InteropServices;
using FluentAssertions;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Assumptions;

/// <summary>What may be done in bfloat16 and between dtypes, and why half precision is widened before anything is computed.</summary>
public class PrecisionTests
{
    private static readonly Dictionary<string, Action<Tensor>> Decompositions = new()
    {
        ["svd"] = matrix => linalg.svd(matrix, fullMatrices: false),
        ["svdvals"] = matrix => linalg.svdvals(matrix),
        ["qr"] = matrix => linalg.qr(matrix),
        ["eigh"] = matrix => linalg.eigh(matrix),
        ["cholesky_ex"] = matrix => linalg.cholesky_ex(matrix),
    };

    private static readonly Dictionary<string, Action<Tensor, Tensor>> Mixing = new()
    {
        ["add_"] = (target, other) => target.add_(other),
        ["copy_"] = (target, other) => target.copy_(other),
        ["mul_"] = (target, other) => target.mul_(other),
        ["addcmul_"] = (target, other) => target.addcmul_(other, other, 1),
        ["addcdiv_"] = (target, other) => target.addcdiv_(other, other, 1),
    };

    public static TheoryData<string> Decomposing => [.. Decompositions.Keys];

    public static TheoryData<string> InPlace => [.. Mixing.Keys];

    [Theory, MemberData(nameof(Decomposing))]
    public void Decomposition_refuses_bfloat16_on_the_CPU_and_takes_float32(string operation)
    {
        using var scope = NewDisposeScope();

        FluentActions.Invoking(() => Decompositions[operation](eye(3, dtype: ScalarType.BFloat16))).Should().Throw<ExternalException>();
        FluentActions.Invoking(() => Decompositions[operation](eye(3))).Should().NotThrow();
    }

    [Theory, MemberData(nameof(InPlace))]
    public void Operation_in_place_takes_another_dtype_and_keeps_that_of_its_target(string operation)
    {
        using var scope = NewDisposeScope();
        var half = ones(2, dtype: ScalarType.BFloat16);
        var single = ones(2);

        Mixing[operation](half, ones(2));
        Mixing[operation](single, ones(2, dtype: ScalarType.BFloat16));

        half.dtype.Should().Be(ScalarType.BFloat16);
        single.dtype.Should().Be(ScalarType.Float32);
        half.sum().ToSingle().Should().Be(single.sum().ToSingle());
    }

    [Fact]
    public void Lerp_refuses_another_dtype()
    {
        using var scope = NewDisposeScope();

        FluentActions.Invoking(() => ones(2).lerp_(ones(2, dtype: ScalarType.BFloat16), tensor(0.5f))).Should().Throw<ExternalException>();
        ones(2).lerp_(zeros(2), tensor(0.25f)).sum().ToSingle().Should().Be(1.5f);
    }

    [Fact]
    public void Product_of_two_dtypes_is_refused()
    {
        using var scope = NewDisposeScope();

        FluentActions.Invoking(() => ones(2, 2).mm(ones(2, 2, dtype: ScalarType.BFloat16))).Should().Throw<ExternalException>();
    }

    [Fact]
    public void Number_in_bfloat16_is_read_by_ToSingle_and_not_by_item()
    {
        using var scope = NewDisposeScope();
        var half = tensor(1.5f).to(ScalarType.BFloat16);

        half.ToSingle().Should().Be(1.5f);
        half.Invoking(it => it.item<float>()).Should().Throw<ArgumentException>();
    }

    [Fact]
    public void Small_step_is_lost_in_bfloat16()
    {
        using var scope = NewDisposeScope();

        ones(1, dtype: ScalarType.BFloat16).add_(1e-3).ToSingle().Should().Be(1);
    }

    [Fact]
    public void Failed_Cholesky_is_reported_and_not_thrown()
    {
        using var scope = NewDisposeScope();

        linalg.cholesky_ex(diag(tensor(new float[] { 1, -1, 1 }))).info.ToInt32().Should().Be(2);
        linalg.cholesky_ex(eye(3)).info.ToInt32().Should().Be(0);
    }

    [Fact]
    public void Bytes_of_a_tensor_are_its_numbers_and_no_copy()
    {
        using var scope = NewDisposeScope();
        var numbers = arange(4, dtype: ScalarType.Float32);

        MemoryMarshal.Cast<byte, float>(numbers.bytes)[1] = 7;
        MemoryMarshal.Cast<byte, float>(numbers.narrow(0, 2, 2).bytes)[0] = 8;

        numbers.data<float>().ToArray().Should().Equal(0, 7, 8, 3);
    }
}
