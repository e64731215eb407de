using FluentAssertions;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Battery;

/// <summary>Every method trains weights that do not lie row by row, as transposed checkpoints leave them.</summary>
public class LayoutTests
{
    private const int Steps = 12;

    [Theory, MemberData(nameof(DtypeTests.EveryDtype), MemberType = typeof(DtypeTests))]
    public void Transposed_weight_is_trained_like_one_that_lies_row_by_row(string method, ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        using Model plain = new(dtype, transposed: false), transposed = new(dtype, transposed: true);
        using var a = Methods.Make(method).Attach(plain).CreateOptimizer(lr: 0.01);
        using var b = Methods.Make(method).Attach(transposed).CreateOptimizer(lr: 0.01);

        var losses = Losses(plain, a, dtype).Zip(Losses(transposed, b, dtype)).ToArray();

        // Products of other layouts round differently in the forward pass, and a decomposition of few entries magnifies that.
        var tolerance = dtype switch { ScalarType.Float64 => 1e-7, ScalarType.Float32 => 0.03, _ => 0.1 };
        losses.Should().OnlyContain(pair => Math.Abs(pair.First - pair.Second) <= tolerance * pair.First);
        b.SkippedUpdates.Should().Be(a.SkippedUpdates);

        b.Session.Finish();
        transposed.Weights.Should().OnlyContain(weight => weight.isfinite().all().ToBoolean());
    }

    private static double[] Losses(Model model, LowRankOptimizer optimizer, ScalarType dtype) =>
        [.. Enumerable.Range(1, Steps).Select(step => Problems.Train(model, optimizer, step, step, dtype: dtype))];

    /// <summary>Two layers, whose weights lie column by column on request.</summary>
    private sealed class Model : nn.Module<Tensor, Tensor>
    {
        private readonly nn.Module<Tensor, Tensor> first, second;

        public Model(ScalarType dtype, bool transposed) : base("model")
        {
            (first, second) = (Layer(12, 24, 1, dtype, transposed), Layer(24, 8, 2, dtype, transposed));
            RegisterComponents();
        }

        public IEnumerable<Parameter> Weights => parameters().Where(parameter => parameter.dim() == 2);

        public override Tensor forward(Tensor input) => second.call(first.call(input).tanh());

        private static Linear Layer(long inputs, long outputs, ulong seed, ScalarType dtype, bool transposed)
        {
            using var guard = no_grad();
            var layer = nn.Linear(inputs, outputs, dtype: dtype);
            var values = Problems.Data(outputs, inputs, seed, dtype).div(Math.Sqrt(inputs));
            layer.weight = new Parameter(transposed ? values.t().contiguous().t() : values);
            layer.bias!.zero_();
            return layer;
        }
    }
}
