using FluentAssertions;
using Xunit;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace TorchSharp.SystemLibtorch.Tests.Modules;

public sealed class FunctionalTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Attention_is_the_softmax_of_scaled_scores_over_the_values(bool causal)
    {
        using var scope = NewDisposeScope();
        var (q, k, v) = (randn(2, 3, 4, 5, dtype: float64), randn(2, 3, 4, 5, dtype: float64), randn(2, 3, 4, 6, dtype: float64));
        var scores = q.matmul(k.transpose(-2, -1)) / Math.Sqrt(5);
        if (causal)
        {
            scores = scores + full(new long[] { 4, 4 }, double.NegativeInfinity, dtype: float64).triu(1);
        }

        var exponentials = (scores - scores.amax(new long[] { -1 }, keepdim: true)).exp();
        var expected = (exponentials / exponentials.sum(-1, keepdim: true)).matmul(v);

        var actual = F.scaled_dot_product_attention(q, k, v, is_casual: causal);

        actual.allclose(expected, 1e-12, 1e-12).Should().BeTrue();
    }

    [Fact]
    public void A_boolean_mask_says_where_to_look_and_a_float_mask_is_added()
    {
        using var scope = NewDisposeScope();
        var (q, k, v) = (randn(1, 3, 4), randn(1, 3, 4), randn(1, 3, 4));
        var allowed = ones(3, 3, dtype: ScalarType.Bool).tril();
        var added = zeros(3, 3).masked_fill(allowed.logical_not(), double.NegativeInfinity);

        var causal = F.scaled_dot_product_attention(q, k, v, is_casual: true);

        F.scaled_dot_product_attention(q, k, v, allowed).allclose(causal).Should().BeTrue();
        F.scaled_dot_product_attention(q, k, v, added).allclose(causal).Should().BeTrue();
        causal[0, 0].allclose(v[0, 0]).Should().BeTrue();
    }

    [Fact]
    public void Attention_carries_gradients_to_all_three()
    {
        using var scope = NewDisposeScope();
        var inputs = Enumerable.Range(0, 3).Select(_ => randn(1, 3, 4).requires_grad_()).ToArray();

        F.scaled_dot_product_attention(inputs[0], inputs[1], inputs[2], is_casual: true).pow(2).sum().backward();

        inputs.Should().OnlyContain(input => input.grad!.abs().sum().item<float>() > 0);
    }

    [Fact]
    public void Cross_entropy_is_minus_the_mean_log_probability_of_the_target()
    {
        double[][] logits = [[1, 2, 3], [0, 0, 5], [-1, 4, 2]];
        long[] targets = [0, 2, -100];
        double Loss(int row) => Math.Log(logits[row].Sum(Math.Exp)) - logits[row][targets[row]];
        using var input = tensor(logits.SelectMany(row => row).ToArray()).reshape(3, 3);
        using var target = tensor(targets);

        F.cross_entropy(input, target).item<double>().Should().BeApproximately((Loss(0) + Loss(1)) / 2, 1e-12);
        F.cross_entropy(input, target, reduction: nn.Reduction.Sum).item<double>().Should().BeApproximately(Loss(0) + Loss(1), 1e-12);
        F.cross_entropy(input, target, reduction: nn.Reduction.None).data<double>().ToArray()[2].Should().Be(0);
    }

    [Fact]
    public void Label_smoothing_mixes_in_the_uniform_distribution()
    {
        double[] logits = [1, 2, 3];
        var logSum = Math.Log(logits.Sum(Math.Exp));
        using var input = tensor(logits).reshape(1, 3);
        using var target = tensor(new long[] { 1 });

        var expected = (0.9 * (logSum - 2)) + (0.1 * logits.Average(logit => logSum - logit));

        F.cross_entropy(input, target, label_smoothing: 0.1).item<double>().Should().BeApproximately(expected, 1e-12);
    }

    [Fact]
    public void Activations_match_their_formulas()
    {
        double[] points = [-3, -0.5, 0, 0.5, 3];
        using var x = tensor(points);
        void Check(Tensor actual, Func<double, double> formula)
            => actual.data<double>().ToArray().Should().Equal(points.Select(formula), (left, right) => Math.Abs(left - right) < 1e-12);

        Check(F.relu(x), p => Math.Max(p, 0));
        Check(F.silu(x), p => p / (1 + Math.Exp(-p)));
        Check(F.sigmoid(x), p => 1 / (1 + Math.Exp(-p)));
        Check(F.tanh(x), Math.Tanh);
        Check(F.softplus(x), p => Math.Log(1 + Math.Exp(p)));
        Check(F.gelu(x, TorchSharp.Modules.GELU.Approximate.tanh), p => p / 2 * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (p + (0.044715 * p * p * p)))));
    }

    [Fact]
    public void One_hot_padding_and_normalize()
    {
        using var scope = NewDisposeScope();

        F.one_hot(tensor(new long[] { 2, 0 }), 3).data<long>().ToArray().Should().Equal(0, 0, 1, 1, 0, 0);
        F.pad(ones(2), (1, 2), value: 7).data<float>().ToArray().Should().Equal(7, 1, 1, 7, 7);
        F.pad(arange(3, dtype: float32).reshape(1, 1, 3), (1, 1), PaddingModes.Reflect).data<float>().ToArray().Should().Equal(1, 0, 1, 2, 1);
        F.normalize(tensor(new float[] { 3, 4 }).reshape(1, 2)).data<float>().ToArray().Should().Equal(0.6f, 0.8f);
    }

    [Fact]
    public void Dropout_passes_when_not_training_and_mse_averages_squares()
    {
        using var scope = NewDisposeScope();
        var x = tensor(new float[] { 1, 2, 3 });

        F.dropout(x, 0.9, training: false).allclose(x).Should().BeTrue();
        F.mse_loss(x, zeros(3)).item<float>().Should().BeApproximately(14f / 3, 1e-6f);
        F.mse_loss(x, zeros(3), nn.Reduction.Sum).item<float>().Should().Be(14);
    }
}
