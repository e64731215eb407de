using FluentAssertions;
using Xunit;
using static TorchSharp.torch;

namespace TorchSharp.SystemLibtorch.Tests.Tensors;

public sealed class ArithmeticTests
{
    private static float[] Values(Tensor t) => t.contiguous().@float().data<float>().ToArray();

    [Fact]
    public void Operators_follow_elementwise_arithmetic()
    {
        var x = tensor(new float[] { 1, 2, 4 });
        var y = tensor(new float[] { 2, 4, 8 });

        Values(x + y).Should().Equal(3, 6, 12);
        Values(x - y).Should().Equal(-1, -2, -4);
        Values(x * y).Should().Equal(2, 8, 32);
        Values(y / x).Should().Equal(2, 2, 2);
        Values(y % 3).Should().Equal(2, 1, 2);
        Values(-x).Should().Equal(-1, -2, -4);
        Values(1 - x).Should().Equal(0, -1, -3);
        Values(8 / x).Should().Equal(8, 4, 2);
        Values(2.5 * x).Should().Equal(2.5f, 5, 10);
    }

    [Fact]
    public void Alpha_and_value_scale_the_second_operand()
    {
        var x = ones(2);
        Values(x.add(full(2, 3), 0.5)).Should().Equal(2.5f, 2.5f);
        Values(x.addcmul(full(2, 3), full(2, 4), 0.5)).Should().Equal(7, 7);
        Values(x.addcdiv(full(2, 3), full(2, 4), 4)).Should().Equal(4, 4);
        Values(x.lerp(full(2, 3), full(2, 0.25))).Should().Equal(1.5f, 1.5f);
    }

    [Fact]
    public void Beta_and_alpha_of_a_matrix_product_stand_in_their_places()
    {
        var sum = ones(2, 2);
        var product = eye(2);
        Values(sum.addmm(product, product, beta: 3, alpha: 5)).Should().Equal(8, 3, 3, 8);
        Values(sum.addr(ones(2), tensor(new float[] { 1, 2 }), beta: 0, alpha: 2)).Should().Equal(2, 4, 2, 4);
    }

    [Fact]
    public void In_place_operations_return_the_object_itself()
    {
        var x = full(3, 4);
        var other = full(3, 2);
        var changes = new Func<Tensor>[]
        {
            () => x.add_(other), () => x.add_(1), () => x.add_(other, 0.5), () => x.sub_(other), () => x.mul_(2), () => x.div_(other), () => x.pow_(2),
            () => x.sqrt_(), () => x.rsqrt_(), () => x.neg_(), () => x.abs_(), () => x.sign_(), () => x.clamp_(0, 1), () => x.clamp_min_(0.5),
            () => x.addcmul_(other, other, 1), () => x.addcdiv_(other, other, 1), () => x.lerp_(other, other), () => x.copy_(other), () => x.fill_(1),
            () => x.zero_(), () => x.nan_to_num_(), () => x.masked_fill_(other > 0, 3), () => x.sigmoid_(), () => x.normal_(), () => x.uniform_(0, 1),
            () => x.bernoulli_(), () => x.random_(0, 5), () => x.unsqueeze_(0), () => x.squeeze_(0), () => x.detach_(), () => x.requires_grad_(false),
        };
        foreach (var change in changes) change().Should().BeSameAs(x);
    }

    [Fact]
    public void Half_types_keep_the_target_and_round_to_nearest()
    {
        var x = ones(1, dtype: bfloat16);
        x.add_(tensor(new[] { 0.001f }));
        x.dtype.Should().Be(ScalarType.BFloat16);
        x.ToSingle().Should().Be(1, "a step of bfloat16 at 1 is 1/128");
        x.add_(1.0 / 128).ToSingle().Should().Be(1.0078125f);
    }

    [Fact]
    public void Rounding_modes_of_a_division_differ_below_zero()
    {
        var x = tensor(new float[] { -7 });
        x.div(2).ToSingle().Should().Be(-3.5f);
        x.div(2, RoundingMode.floor).ToSingle().Should().Be(-4);
        x.div(2, RoundingMode.trunc).ToSingle().Should().Be(-3);
    }

    [Fact]
    public void Mantissa_and_exponent_restore_the_number()
    {
        var x = tensor(new float[] { 0.3f, -40, 1024 });
        var (mantissa, exponent) = x.frexp();
        Values(mantissa).Should().OnlyContain(m => Math.Abs(m) >= 0.5f && Math.Abs(m) < 1);
        Values(mantissa.ldexp(exponent)).Should().Equal(Values(x));
        nextafter(ones(1), full(1, 2)).ToSingle().Should().Be(MathF.BitIncrement(1));
    }

    [Fact]
    public void Comparisons_and_logic_give_masks()
    {
        var x = tensor(new float[] { 1, 2, 3 });
        Values(x > 1).Should().Equal(0, 1, 1);
        Values((x >= 2) & (x <= 2)).Should().Equal(0, 1, 0);
        Values((x < 2) | (x == 3)).Should().Equal(1, 0, 1);
        Values(~(x != 2)).Should().Equal(0, 1, 0);
        Values(where(x > 2, x, zeros(3))).Should().Equal(0, 0, 3);
        Values(x.where(x > 2, zeros(3))).Should().Equal(0, 0, 3);
        (x == x.clone()).all().ToBoolean().Should().BeTrue();
        x.allclose(x + 1e-7).Should().BeTrue();
        x.Equals(x.clone()).Should().BeTrue();
        Values(tensor(new[] { float.NaN, float.PositiveInfinity, 1 }).isfinite()).Should().Equal(0, 0, 1);
    }
}
