using FluentAssertions;
using LanguageModel.Model;
using LowRankTraining.Tests.Architecture;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Samples.Tests.Model;

/// <summary>The samples' models train beside a thread that draws progress. In this assembly, too, calls are replaced, but not delegates.</summary>
public class ScalarCallTests
{
    private static readonly Scalar Three = 3;

    /// <summary>A call that is replaced, and TorchSharp's own.</summary>
    private static readonly Dictionary<string, (Func<Tensor, Tensor> Held, Func<Tensor, Tensor> Own)> Replaced = new()
    {
        ["square"] = (x => x.square(), x => ((Func<Tensor>)x.square)()),
        ["add of a tensor"] = (x => x.add(x.exp()), x => ((Func<Tensor, Tensor>)x.add)(x.exp())),
        ["add_ of a tensor"] = (x => x.sin().add_(x), x => ((Func<Tensor, Tensor>)x.sin().add_)(x)),
        ["add of a number"] = (x => x.add(3), x => ((Func<Scalar, Tensor>)x.add)(Three)),
        ["add_ of a number"] = (x => x.sin().add_(3), x => ((Func<Scalar, Tensor>)x.sin().add_)(Three)),
        ["mul"] = (x => x.mul(3), x => ((Func<Scalar, Tensor>)x.mul)(Three)),
        ["pow"] = (x => x.pow(3), x => ((Func<Scalar, Tensor>)x.pow)(Three)),
    };

    public static TheoryData<string> Calls => [.. Replaced.Keys];

    [Fact]
    public void Models_and_training_hold_the_numbers_that_native_code_reads() =>
        LooseScalars.In(typeof(Llama).Assembly).Should().BeEmpty(LooseScalars.Because);

    /// <summary>x is used elsewhere too: a value that comes by another operation has a gradient that is rounded otherwise.</summary>
    [Theory]
    [MemberData(nameof(Calls))]
    public void Values_and_gradients_have_the_bits_of_TorchSharps_own(string call)
    {
        var (held, own) = Replaced[call];
        foreach (var dtype in new[] { ScalarType.Float32, ScalarType.BFloat16 })
            Bits(held, dtype).Should().Equal(Bits(own, dtype), "{0} in {1}", call, dtype);
    }

    [Fact]
    public void Ranges_and_numbers_read_are_TorchSharps_own()
    {
        Scalar two = 2, nine = 9;
        arange(9, ScalarType.Float64).Should().Be(((Func<Scalar, ScalarType?, Device?, bool, Tensor>)arange)(nine, ScalarType.Float64, null, false));
        arange(2, 9).Should().Be(((Func<Scalar, Scalar, ScalarType?, Device?, bool, Tensor>)arange)(two, nine, null, null, false));
        var x = tensor(5.75);
        (x.ToDouble(), x.ToSingle(), x.ToInt32(), x.ToInt64(), (x > 5).ToBoolean())
            .Should().Be((((Func<double>)x.ToDouble)(), ((Func<float>)x.ToSingle)(), ((Func<int>)x.ToInt32)(), ((Func<long>)x.ToInt64)(), true));
    }

    private static float[] Bits(Func<Tensor, Tensor> call, ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        manual_seed(11);
        var (x, before, weights, after) = (Normal(), Normal(), Normal(), Normal());
        x.requires_grad_();
        var value = call(x);
        var loss = x.mul(before).sum() + value.mul(weights).sum() + x.mul(after).sum();
        loss.backward();
        return [.. value.detach().@float().data<float>(), .. x.grad!.@float().data<float>()];

        Tensor Normal() => randn(40, 50).to(dtype);
    }
}
