using FluentAssertions;
using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using TorchSharp;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Sparse;

public class SparseLowRankLinearTests
{
    public static TheoryData<ScalarType, bool, bool, double> Layers
    {
        get
        {
            var data = new TheoryData<ScalarType, bool, bool, double>();
            foreach (var keepsIndices in new[] { true, false })
                foreach (var hasBias in new[] { true, false })
                {
                    data.Add(ScalarType.Float32, hasBias, keepsIndices, 1e-5);
                    data.Add(ScalarType.Float64, hasBias, keepsIndices, 1e-13);
                }
            return data;
        }
    }

    [Theory, MemberData(nameof(Layers))]
    public void Output_and_gradients_are_those_of_autograd_on_the_dense_weight(ScalarType dtype, bool hasBias, bool keepsIndices, double tolerance)
    {
        using var scope = NewDisposeScope();
        var layer = Trained(dtype, hasBias, keepsIndices, scale: 0.7);
        var x = Normal(2, dtype, 3, 5, 14).requires_grad_();
        var outward = Normal(3, dtype, 3, 5, 10);

        var y = layer.call(x);
        y.backward([outward]);
        var expected = Dense(layer, x, outward, scale: 0.7);

        y.shape.Should().Equal(3, 5, 10);
        Distance(Values(y), Values(expected.Y)).Should().BeLessThan(tolerance);
        Distance(Values(x.grad!), Values(expected.X)).Should().BeLessThan(tolerance);
        Distance(Values(layer.lora_A.grad!), Values(expected.A)).Should().BeLessThan(tolerance);
        Distance(Values(layer.lora_B.grad!), Values(expected.B)).Should().BeLessThan(tolerance);
        Distance(Values(layer.sparse_values.grad!), Values(expected.V)).Should().BeLessThan(tolerance);
        if (hasBias)
            Distance(Values(layer.bias!.grad!), Values(outward.reshape(-1, 10).sum(0L))).Should().BeLessThan(tolerance);
    }

    [Fact]
    public void Gradients_in_bfloat16_are_as_near_as_its_eight_bits_allow()
    {
        using var scope = NewDisposeScope();
        var layer = Trained(ScalarType.BFloat16, hasBias: false, keepsIndices: true, scale: 0.3);
        var precise = Copy(layer, ScalarType.Float64, scale: 0.3);
        var (x, outward) = (Normal(2, ScalarType.BFloat16, 600, 14).requires_grad_(), Normal(3, ScalarType.BFloat16, 600, 10));
        var plain = x.detach().to(ScalarType.Float64).requires_grad_();

        layer.call(x).backward([outward]);
        precise.call(plain).backward([outward.to(ScalarType.Float64)]);

        Relative(layer.EffectiveWeight(), precise.EffectiveWeight()).Should().BeLessThan(0.004, "each entry is rounded once");
        Relative(x.grad!, plain.grad!).Should().BeLessThan(0.006);
        Relative(layer.sparse_values.grad!, precise.sparse_values.grad!).Should().BeLessThan(0.006, "600 rows are added up in more than eight bits");
        Relative(layer.lora_A.grad!, precise.lora_A.grad!).Should().BeLessThan(0.008);
        Relative(layer.lora_B.grad!, precise.lora_B.grad!).Should().BeLessThan(0.008);
    }

    [Fact]
    public void Every_use_and_every_micro_batch_adds_to_the_gradients()
    {
        using var scope = NewDisposeScope();
        var layer = new SparseLowRankLinear(8, 8, rank: 3, density: 0.2, dtype: ScalarType.Float64);
        Randomize(layer);
        var copy = Copy(layer, ScalarType.Float64, scale: 1);
        var x = Normal(1, ScalarType.Float64, 4, 8);

        for (var batch = 0; batch < 2; batch++)
            layer.call(layer.call(x).tanh()).square().sum().backward();

        var (a, b, v) = Leaves(copy);
        for (var batch = 0; batch < 2; batch++)
        {
            var weight = b.mm(a) + Scattered(copy, v);
            nn.functional.linear(nn.functional.linear(x, weight, copy.bias).tanh(), weight, copy.bias).square().sum().backward();
        }

        Distance(Values(layer.lora_A.grad!), Values(a.grad!)).Should().BeLessThan(1e-12);
        Distance(Values(layer.lora_B.grad!), Values(b.grad!)).Should().BeLessThan(1e-12);
        Distance(Values(layer.sparse_values.grad!), Values(v.grad!)).Should().BeLessThan(1e-12);
    }

    [Theory]
    [InlineData("lora_A")]
    [InlineData("lora_B")]
    [InlineData("sparse_values")]
    [InlineData("bias")]
    [InlineData("none")]
    public void Frozen_parts_get_no_gradient_and_the_others_keep_theirs(string trained)
    {
        using var scope = NewDisposeScope();
        var layer = Trained(ScalarType.Float64, hasBias: true, keepsIndices: true, 0.7);
        var all = Trained(ScalarType.Float64, hasBias: true, keepsIndices: true, 0.7);
        foreach (var (name, parameter) in layer.named_parameters())
            parameter.requires_grad = name == trained;
        var x = Normal(2, ScalarType.Float64, 6, 14);

        var y = layer.call(x);
        y.requires_grad.Should().Be(trained != "none");
        if (trained == "none")
            return;

        y.square().sum().backward();
        all.call(x).square().sum().backward();

        foreach (var (name, parameter) in layer.named_parameters())
        {
            if (name == trained)
                Values(parameter.grad!).Should().Equal(Values(all.get_parameter(name)!.grad!));
            else
                parameter.grad.Should().BeNull();
        }
    }

    [Fact]
    public void Gradient_of_the_input_alone_can_be_asked_for()
    {
        using var scope = NewDisposeScope();
        var layer = Trained(ScalarType.Float64, hasBias: true, keepsIndices: false, 0.7);
        foreach (var parameter in layer.parameters())
            parameter.requires_grad = false;
        var x = Normal(2, ScalarType.Float64, 6, 14).requires_grad_();

        layer.call(x).sum().backward();

        Distance(Values(x.grad!), Values(layer.EffectiveWeight().sum(0L).expand(6, 14))).Should().BeLessThan(1e-13);
    }

    [Fact]
    public void Without_gradients_nothing_is_recorded()
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();

        Trained(ScalarType.Float32, hasBias: true, keepsIndices: true, 1).call(Normal(2, ScalarType.Float32, 6, 14)).requires_grad.Should().BeFalse();
    }

    [Fact]
    public void Layer_starts_as_the_paper_has_it()
    {
        using var scope = NewDisposeScope();
        var layer = new SparseLowRankLinear(400, 300, rank: 100, density: 0.03, scale: 0.5, key: 3);

        layer.lora_A.abs().max().ToDouble().Should().BeInRange(0.0499, 0.05);
        layer.lora_B.abs().max().ToDouble().Should().Be(0);
        layer.sparse_values.shape.Should().Equal(3600);
        layer.sparse_values.abs().max().ToDouble().Should().BeInRange(0.0499, 0.05);
        layer.bias!.abs().max().ToDouble().Should().BeInRange(0.045, 0.05);
        (layer.EffectiveWeight().count_nonzero().ToInt64()).Should().Be(3600, "the weight is the sparse part");
        layer.EffectiveWeight().square().mean().ToDouble().Should().BeApproximately(0.03 / (3 * 400), 0.05 * 0.03 / (3 * 400));
    }

    [Fact]
    public void Both_ways_to_keep_the_support_make_the_same_layer()
    {
        using var scope = NewDisposeScope();
        var stored = new SparseLowRankLinear(40, 30, rank: 4, density: 0.1, key: 7);
        var drawn = new SparseLowRankLinear(40, 30, rank: 4, density: 0.1, key: 7, keepsIndices: false);

        Values(drawn.EffectiveWeight()).Should().Equal(Values(stored.EffectiveWeight()));
        Values(new SparseLowRankLinear(40, 30, rank: 4, density: 0.1, key: 8).EffectiveWeight()).Should().NotEqual(Values(stored.EffectiveWeight()));
        stored.state_dict().Keys.Should().Equal("bias", "lora_A", "lora_B", "sparse_values", "sparse_indices");
        drawn.state_dict().Keys.Should().Equal("bias", "lora_A", "lora_B", "sparse_values");
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    public void Support_of_many_blocks_puts_every_value_into_its_place_once(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        var layer = new SparseLowRankLinear(1100, 1000, rank: 1, density: 0.6, hasBias: false, dtype: dtype);
        var places = layer.state_dict()["sparse_indices"];
        places.shape.Should().Equal([660_000], "more than two blocks of 2¹⁸");

        var weight = layer.EffectiveWeight().view(-1);

        weight.index_select(0, places).allclose(layer.sparse_values, 0, 0).Should().BeTrue();
        var elsewhere = ones(1_100_000).index_fill_(0, places.to(ScalarType.Int64), 0);
        weight.mul(elsewhere).count_nonzero().ToInt64().Should().Be(0);
        elsewhere.sum().ToInt64().Should().Be(440_000);
    }

    [Theory]
    [InlineData(46_341, 46_340, ScalarType.Int32)]
    [InlineData(65_536, 32_769, ScalarType.Int64)]
    public void Indices_are_as_short_as_the_matrix_allows(long columns, long rows, ScalarType expected)
    {
        using var layer = new SparseLowRankLinear(columns, rows, rank: 1, density: 1e-7, hasBias: false);
        using var scope = NewDisposeScope();

        var indices = layer.state_dict()["sparse_indices"];

        indices.dtype.Should().Be(expected);
        indices.shape.Should().Equal((long)(1e-7 * (rows * columns)));
        indices.max().ToDouble().Should().BeLessThan((double)rows * columns).And.BeGreaterThan(0.9 * rows * columns);
    }

    [Fact]
    public void Saved_layer_is_loaded_into_another()
    {
        using var scope = NewDisposeScope();
        var saved = Trained(ScalarType.Float32, hasBias: true, keepsIndices: true, 0.7);
        var other = new SparseLowRankLinear(14, 10, rank: 4, density: 0.15, scale: 0.7, key: 99);

        using var stream = new MemoryStream();
        saved.save(stream);
        other.load(new MemoryStream(stream.ToArray()));

        Values(other.EffectiveWeight()).Should().Equal(Values(saved.EffectiveWeight()));
    }

    [Theory]
    [InlineData(0, 0.1, 1, "*rank*")]
    [InlineData(11, 0.1, 1, "*rank*10*")]
    [InlineData(4, 0, 1, "*density must be above 0 and below 1*")]
    [InlineData(4, 1, 1, "*density must be above 0 and below 1*")]
    [InlineData(4, double.NaN, 1, "*density must be above 0 and below 1*")]
    [InlineData(4, 0.001, 1, "*density of 0.001 gives a 10 x 14 matrix no entry*")]
    [InlineData(4, 0.1, double.NaN, "*scale*finite*")]
    public void Impossible_layer_is_refused(int rank, double density, double scale, string message) =>
        FluentActions.Invoking(() => new SparseLowRankLinear(14, 10, rank, density, scale)).Should().Throw<ArgumentOutOfRangeException>().WithMessage(message);

    private static SparseLowRankLinear Trained(ScalarType dtype, bool hasBias, bool keepsIndices, double scale)
    {
        var layer = new SparseLowRankLinear(14, 10, rank: 4, density: 0.15, scale, hasBias, keepsIndices, key: 5, dtype: dtype);
        Randomize(layer);
        return layer;
    }

    private static void Randomize(SparseLowRankLinear layer)
    {
        using var guard = no_grad();
        layer.lora_B.copy_(Normal(9, layer.lora_B.dtype, layer.lora_B.shape));
    }

    private static SparseLowRankLinear Copy(SparseLowRankLinear layer, ScalarType dtype, double scale)
    {
        using var guard = no_grad();
        var density = (layer.sparse_values.shape[0] + 0.5) / (layer.in_features * layer.out_features);
        var copy = new SparseLowRankLinear(layer.in_features, layer.out_features, (int)layer.Rank, density, scale, layer.bias is not null, dtype: dtype);
        foreach (var (name, tensor) in layer.state_dict())
            copy.state_dict()[name].copy_(tensor);
        return copy;
    }

    private static (Tensor A, Tensor B, Tensor V) Leaves(SparseLowRankLinear layer) =>
        (layer.lora_A.detach().clone().requires_grad_(), layer.lora_B.detach().clone().requires_grad_(), layer.sparse_values.detach().clone().requires_grad_());

    /// <summary>S from its values, by a scatter that autograd knows. With B at zero the weight itself tells the support.</summary>
    private static Tensor Scattered(SparseLowRankLinear layer, Tensor values)
    {
        Tensor support;
        using (no_grad())
        {
            using var kept = layer.lora_B.clone();
            layer.lora_B.zero_();
            support = layer.EffectiveWeight().reshape(-1).nonzero().reshape(-1);
            layer.lora_B.copy_(kept);
        }

        return zeros(layer.out_features * layer.in_features, values.dtype).scatter_add(0, support, values).reshape(layer.out_features, layer.in_features);
    }

    private static (Tensor Y, Tensor X, Tensor A, Tensor B, Tensor V) Dense(SparseLowRankLinear layer, Tensor x, Tensor outward, double scale)
    {
        var (a, b, v) = Leaves(layer);
        var input = x.detach().clone().requires_grad_();
        var y = nn.functional.linear(input, b.mm(a).mul(scale) + Scattered(layer, v), layer.bias?.detach());
        y.backward([outward]);
        return (y, input.grad!, a.grad!, b.grad!, v.grad!);
    }

    private static double Relative(Tensor actual, Tensor expected) => ((actual.to(ScalarType.Float64) - expected).norm() / expected.norm()).ToDouble();
}
