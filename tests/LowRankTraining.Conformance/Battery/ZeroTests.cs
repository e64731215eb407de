using FluentAssertions;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Battery;

/// <summary>Every method trains models whose gradients hold exact zeros, as those of language models and of networks of ReLU do.</summary>
public class ZeroTests
{
    private const int Words = 40, Seen = 25, Dead = 6;

    [Theory, MemberData(nameof(DtypeTests.EveryDtype), MemberType = typeof(DtypeTests))]
    public void Absent_words_and_dead_units_do_no_harm(string method, ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        manual_seed(3);
        using var model = new Reader(dtype);
        using var optimizer = Methods.Make(method, rank: 6).Attach(model).CreateOptimizer(lr: 0.003);
        var unseen = Unseen(model);

        var losses = Enumerable.Range(1, 60).Select(step => Step(model, optimizer, step)).ToArray();

        losses.Should().OnlyContain(loss => double.IsFinite(loss) && loss < 4 * losses[0]);
        losses[^10..].Average().Should().BeLessThan(losses[..10].Average());
        Unseen(model).Should().Equal(unseen, "nothing has asked for these rows to change");
        model.state_dict().Values.Where(tensor => tensor.is_floating_point()).Should().OnlyContain(tensor => tensor.isfinite().all().ToBoolean());
    }

    /// <summary>Each step sees a few of the words.</summary>
    private static double Step(Reader model, LowRankOptimizer optimizer, int step)
    {
        using var scope = NewDisposeScope();
        using var draw = new Generator((ulong)step, CPU);
        optimizer.zero_grad();
        var words = randint(Seen, [16], ScalarType.Int64, generator: draw).to(TestDevice.Current);
        var target = words.to(ScalarType.Float32).div(Seen).unsqueeze(1).expand(16, 4);
        var loss = (model.call(words).to(ScalarType.Float32) - target).square().mean();
        loss.backward();
        optimizer.step();
        return loss.ToDouble();
    }

    private static byte[] Unseen(Reader model) => [.. model.get_parameter("table.weight")!.detach()[TensorIndex.Slice(Seen)].contiguous().cpu().bytes];

    /// <summary>A table, and layers of which one has units that never fire; weights lie column by column.</summary>
    private sealed class Reader : nn.Module<Tensor, Tensor>
    {
#pragma warning disable CA2213 // Registered modules are disposed with this one.
        private readonly Embedding table;
        private readonly nn.Module<Tensor, Tensor> first, second;
#pragma warning restore CA2213

        public Reader(ScalarType dtype) : base(nameof(Reader))
        {
            table = nn.Embedding(Words, 12, dtype: dtype);
            (first, second) = (Transposed(12, 24, dtype), Transposed(24, 4, dtype));
            using (no_grad())
                ((Linear)first).bias![TensorIndex.Slice(0, Dead)] = -1000;
            RegisterComponents();
            this.to(TestDevice.Current);
        }

        public override Tensor forward(Tensor input) => second.call(first.call(table.call(input)).relu());

        private static Linear Transposed(long inputs, long outputs, ScalarType dtype)
        {
            using var guard = no_grad();
            var layer = nn.Linear(inputs, outputs, dtype: dtype);
            layer.weight = new Parameter(layer.weight.t().contiguous().t());
            return layer;
        }
    }
}
