using FluentAssertions;
using LowRankTraining.Numerics;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Numerics;

/// <summary>Random numbers where no generator of TorchSharp serves, as on a GPU: a CPU draws them so here.</summary>
public sealed class RandomTensorsTests : IDisposable
{
    private const ulong Golden = 0x9e3779b97f4a7c15;

    public RandomTensorsTests() => RandomTensors.IsByPlace = true;

    public void Dispose() => RandomTensors.IsByPlace = false;

    [Fact]
    public void Double_numbers_are_the_words_of_SplitMix64()
    {
        using var drawn = Generator().Uniform([3, 4], ScalarType.Float64, CPU);

        var key = (ulong)Generator().NextNumber();
        drawn.data<double>().ToArray().Should().Equal(Enumerable.Range(0, 12).Select(place =>
            (RandomKey.Mix(key + (ulong)place * Golden) >> 11) * Math.Pow(2, -53)));
    }

    [Fact]
    public void Single_numbers_are_the_ends_of_these_words()
    {
        using var drawn = Generator().Uniform([5], ScalarType.Float32, CPU);

        var key = (ulong)Generator().NextNumber();
        drawn.data<float>().ToArray().Should().Equal(Enumerable.Range(0, 5).Select(place =>
            (place < 3 ? Word(place) >> 40 : Word(place - 3) & 0xFFFFFF) * MathF.Pow(2, -24)));

        ulong Word(int place) => RandomKey.Mix(key + (ulong)place * Golden);
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    public void Numbers_are_spread_evenly_or_normally_and_do_not_depend_on_each_other(ScalarType dtype)
    {
        const int count = 1_000_001;
        using var scope = NewDisposeScope();
        using var generator = Generator();
        var (uniform, normal, again) = (Draw(low: -2, high: 3), generator.Normal([count], dtype, CPU), generator.Normal([count], dtype, CPU, deviation: 0.5));

        KolmogorovSmirnov(uniform, x => (x + 2) / 5).Should().BeLessThan(1.95 / Math.Sqrt(count));
        KolmogorovSmirnov(normal, x => MathNet.Numerics.Distributions.Normal.CDF(0, 1, x)).Should().BeLessThan(1.95 / Math.Sqrt(count));
        again.std().ToDouble().Should().BeApproximately(0.5, 0.003);
        normal.abs().max().ToDouble().Should().BeInRange(4, 7);
        foreach (var (x, y) in new[] { (normal, again), (normal[..^1], normal[1..]), (normal[..(count / 2)], normal[(count - count / 2)..]) })
            (x.mul(y).mean() / (x.std() * y.std())).ToDouble().Should().BeInRange(-0.006, 0.006);

        Tensor Draw(double low, double high) => generator.Uniform([count], dtype, CPU, low, high);
    }

    [Fact]
    public void Probabilities_and_signs_are_kept()
    {
        using var scope = NewDisposeScope();
        using var generator = Generator();

        generator.Bernoulli([1000, 1000], CPU, 0.1).to(ScalarType.Float64).mean().ToDouble().Should().BeApproximately(0.1, 0.001);
        var signs = generator.Signs(1_000_000, CPU);
        signs.abs().eq(1).all().ToBoolean().Should().BeTrue();
        signs.mean().ToDouble().Should().BeApproximately(0, 0.004);
    }

    [Fact]
    public void Every_shape_and_dtype_can_be_drawn()
    {
        using var scope = NewDisposeScope();
        using var generator = Generator();

        foreach (var shape in new long[][] { [], [0], [1], [3], [2, 3, 5] })
            foreach (var dtype in new[] { ScalarType.Float32, ScalarType.Float64, ScalarType.BFloat16 })
                foreach (var drawn in new[] { generator.Uniform(shape, dtype, CPU), generator.Normal(shape, dtype, CPU) })
                {
                    drawn.shape.Should().Equal(shape);
                    drawn.dtype.Should().Be(dtype);
                    drawn.isfinite().all().ToBoolean().Should().BeTrue();
                }
    }

    /// <summary>What all of this is for: TorchSharp gives a generator of the CPU for any device.</summary>
    [Fact]
    public void Generator_for_another_device_is_one_of_the_CPU()
    {
        using var forOther = new Generator(7, META);
        using var forCpu = new Generator(7, CPU);

        rand(10, generator: forOther).equal(rand(10, generator: forCpu)).all().ToBoolean().Should().BeTrue();
    }

    private static Generator Generator() => new(2);

    /// <summary>The largest difference between the share of numbers below x and what it should be.</summary>
    private static double KolmogorovSmirnov(Tensor numbers, Func<double, double> expected)
    {
        var sorted = numbers.to(ScalarType.Float64).sort().Values.data<double>().ToArray();
        return Enumerable.Range(0, 2000).Select(part => part * (sorted.Length / 2000))
            .Max(place => Math.Abs((double)place / sorted.Length - expected(sorted[place])));
    }
}
