using FluentAssertions;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Battery;

/// <summary>Every method trains parameters of every floating-point type.</summary>
public class DtypeTests
{
    public static TheoryData<string, ScalarType> EveryDtype
    {
        get
        {
            var data = new TheoryData<string, ScalarType>();
            foreach (var method in Methods.ByName.Keys)
                foreach (var dtype in new[] { ScalarType.BFloat16, ScalarType.Float32, ScalarType.Float64 }.Where(dtype =>
                    dtype != ScalarType.Float64 || Methods.TakesFloat64(method)))
                    data.Add(method, dtype);
            return data;
        }
    }

    [Theory, MemberData(nameof(EveryDtype))]
    public void Parameters_keep_their_dtype_and_learn(string method, ScalarType dtype)
    {
        manual_seed(10);
        using var model = new Problems.Mlp(dtype: dtype);
        using var optimizer = Methods.Make(method, rank: 6).Attach(model).CreateOptimizer(lr: 0.01);

        var first = Problems.Train(model, optimizer, 1, 1, dtype: dtype);
        var last = Problems.Train(model, optimizer, 2, 300, dtype: dtype);

        last.Should().BeLessThan(first / 2);
        model.parameters().Should().OnlyContain(parameter => parameter.dtype == dtype);
    }
}
