using FluentAssertions;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Optimizer;

public class GradientCheckTests
{
    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    [InlineData(ScalarType.BFloat16)]
    public void Gradients_are_judged_by_their_largest_magnitude(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        foreach (var (isTransposed, place) in new[] { (false, 0), (false, 20), (false, 34), (true, 34) })
        {
            GradientVerdict Of(double entry)
            {
                var gradient = zeros(5, 7, dtype);
                gradient.view(-1)[place] = tensor(entry).to(dtype);
                return GradientCheck.Judge(isTransposed ? gradient.t() : gradient);
            }

            Of(0).Should().Be(GradientVerdict.Zero);
            Of(-1e10).Should().Be(GradientVerdict.Usable);
            Of(-1e30).Should().Be(dtype == ScalarType.Float64 ? GradientVerdict.Usable : GradientVerdict.Huge, "its square is beyond float32");
            Of(1e-30).Should().Be(GradientVerdict.Usable);
            Of(double.NaN).Should().Be(GradientVerdict.NonFinite);
            Of(double.NegativeInfinity).Should().Be(GradientVerdict.NonFinite);
        }
    }

    [Theory]
    [InlineData(1e38, GradientVerdict.Usable), InlineData(1e300, GradientVerdict.Huge)]
    [InlineData(1e-50, GradientVerdict.Usable), InlineData(1e-300, GradientVerdict.Usable)]
    internal void Gradients_in_double_precision_are_judged_in_it(double entry, GradientVerdict expected)
    {
        using var gradient = full(new long[] { 3, 2 }, entry, ScalarType.Float64);

        GradientCheck.Judge(gradient).Should().Be(expected);
        GradientCheck.JudgeAll([gradient, gradient.to(ScalarType.Float64)])[1].Should().Be(expected);
    }

    [Theory]
    [InlineData(ScalarType.Float32), InlineData(ScalarType.BFloat16)]
    public void One_bad_entry_among_very_many_is_found(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        var gradient = zeros(3_000_001, dtype);
        GradientCheck.Judge(gradient).Should().Be(GradientVerdict.Zero);
        gradient[2_999_999] = tensor(float.NaN).to(dtype);
        GradientCheck.Judge(gradient).Should().Be(GradientVerdict.NonFinite);
    }

    [Fact]
    public void An_empty_gradient_counts_as_zero()
    {
        using var empty = zeros(0, 4);
        GradientCheck.Judge(empty).Should().Be(GradientVerdict.Zero);
    }
}
