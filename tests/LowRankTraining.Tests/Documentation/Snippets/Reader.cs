using LowRankTraining.Checkpoints;
using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Documentation.Snippets;

/// <summary>What a reader of a page has at hand: blocks of code see these members by name.</summary>
public abstract class Reader : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();
    private AdapterSession? _session;

    protected Reader()
    {
        manual_seed(1);
        model = new();
        window = [.. Enumerable.Range(0, 3).Select(index => new Tokens(0).At(index))];
        batch = window[0];
    }

    /// <summary>A small language model.</summary>
    protected LanguageModel model { get; }

    /// <summary>Tokens of four sequences.</summary>
    protected Tensor batch { get; }

    protected Tensor[] window { get; }

    /// <summary>Data by the names of their sources.</summary>
    protected Dictionary<string, Tokens> batches { get; } = new() { ["web"] = new(1000), ["books"] = new(2000), ["forum"] = new(3000) };

    protected int steps => 3;

    /// <summary>A file that does not exist yet.</summary>
    protected string path { get; } = Path.GetFullPath("state");

    /// <summary>A LoRA session that is under way.</summary>
    protected AdapterSession session => _session ??= new LoRA { Rank = 4 }.Attach(model);

    /// <summary>Where an adapter has been saved.</summary>
    protected string folder
    {
        get
        {
            var other = new LanguageModel();
            using var trained = new LoRA { Rank = 4 }.Attach(other);
            PeftAdapter.Save("adapter", trained);
            return Path.GetFullPath("adapter");
        }
    }

    public abstract void Run();

    public void Dispose()
    {
        _session?.Dispose();
        model.Dispose();
        _scope.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Cross-entropy of the next token.</summary>
    protected static Tensor Loss(nn.Module<Tensor, Tensor> model, Tensor batch)
    {
        using var scope = NewDisposeScope();
        var logits = model.call(batch[.., ..^1]);
        return nn.functional.cross_entropy(logits.flatten(0, 1), batch[.., 1..].flatten()).MoveToOuterDisposeScope();
    }

    protected void Evaluate(nn.Module<Tensor, Tensor> model)
    {
        using var without = no_grad();
        using var loss = Loss(model, batch);
    }

    /// <summary>The training loop: ten steps on one batch, on which the loss has to fall.</summary>
    protected void Train(optim.Optimizer optimizer, optim.lr_scheduler.LRScheduler? scheduler = null)
    {
        var first = Step();
        for (var step = 0; step < 8; step++)
            Step();
        var last = Step();
        if (!(last < first))
            throw new InvalidOperationException($"The loss was {first} and is {last} after ten steps.");

        float Step()
        {
            optimizer.zero_grad();
            using var loss = Loss(model, batch);
            loss.backward();
            optimizer.step();
            scheduler?.step();
            return loss.ToSingle();
        }
    }

    /// <summary>Sequences that depend on their number alone.</summary>
    protected sealed class Tokens(ulong seed)
    {
        public Tensor At(long index)
        {
            using var generator = new Generator(seed + (ulong)index, CPU);
            return randint(0, LanguageModel.Vocabulary, [4, 9], generator: generator);
        }
    }
}
