using FluentAssertions;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Optimizer;

/// <summary>Embeddings whose gradient holds the rows of the batch only.</summary>
public class SparseGradientTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Embedding_with_sparse_gradients_trains_as_the_dense_one(bool bag)
    {
        using var scope = NewDisposeScope();
        using Table sparse = new(true, bag), dense = new(false, bag);
        foreach (var table in new[] { sparse, dense })
            for (var step = 0; step < 3; step++)
                table.Step(step);

        sparse.Weight.detach().eq(dense.Weight.detach()).all().ToBoolean().Should().BeTrue();
    }

    [Fact]
    public void Sparse_gradients_can_be_clipped_and_accumulated()
    {
        using var scope = NewDisposeScope();
        using Table sparse = new(true, false), dense = new(false, false);
        var norms = new List<double>();
        foreach (var table in new[] { sparse, dense })
        {
            table.Optimizer.zero_grad();
            for (var part = 0; part < 2; part++)
            {
                table.Backward(part);
                table.Optimizer.accumulate();
            }

            norms.Add(table.Optimizer.clip_grad_norm_(0.1));
            table.Optimizer.step();
        }

        norms[0].Should().Be(norms[1]);
        sparse.Weight.detach().eq(dense.Weight.detach()).all().ToBoolean().Should().BeTrue();
    }

    [Fact]
    public void Sparse_gradient_within_a_window_is_saved()
    {
        using var scope = NewDisposeScope();
        using Table table = new(true, false), resumed = new(true, false);
        table.Optimizer.zero_grad();
        table.Optimizer.accumulate();
        table.Backward(0);
        using var saved = new MemoryStream();
        table.Optimizer.save_state_dict(new BinaryWriter(saved));

        resumed.Optimizer.load_state_dict(new BinaryReader(new MemoryStream(saved.ToArray())));

        resumed.Weight.grad!.eq(table.Weight.grad!).all().ToBoolean().Should().BeTrue();
    }

    private sealed class Table : IDisposable
    {
        private readonly nn.Module _module;
        private readonly bool _bag;

        public Table(bool sparse, bool bag)
        {
            _bag = bag;
            _module = bag ? nn.EmbeddingBag(20, 6, mode: EmbeddingBagMode.Sum, sparse: sparse) : nn.Embedding(20, 6, sparse: sparse);
            Head = new Parameter(Draw.Normal(6, 6, 3).to(ScalarType.Float32));
            using (no_grad())
                Weight.copy_(Draw.Normal(20, 6, 2));
            Optimizer = GaLore.AdamW([("embedding.weight", Weight), ("head", Head)], lr: 0.05, rank: 2);
        }

        public Parameter Weight => _module.parameters().Single();

        public Parameter Head { get; }

        public LowRankOptimizer Optimizer { get; }

        public void Step(int step)
        {
            Optimizer.zero_grad();
            Backward(step);
            Optimizer.step();
        }

        public void Backward(int step)
        {
            var ids = tensor(new long[] { step, 5, 5, 11 + step }).reshape(2, 2);
            var rows = _bag ? ((EmbeddingBag)_module).call(ids) : ((Embedding)_module).call(ids).reshape(-1, 6);
            rows.mm(Head).square().sum().backward();
        }

        public void Dispose()
        {
            Optimizer.Dispose();
            _module.Dispose();
            Head.Dispose();
        }
    }
}
