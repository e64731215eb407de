using LanguageModel.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace LanguageModel.Training;

/// <summary>Lets a model write on.</summary>
/// <param name="model">The model.</param>
/// <param name="device">Where it is.</param>
/// <remarks>Keys and values of the text so far are kept, so that a token costs one position. When the text is as long as the model can see, its beginning is
/// dropped, all positions change, and every token is computed from the whole of what is left.</remarks>
public sealed class Generation(CausalLanguageModel model, Device device)
{
    /// <value>Divides the scores before a token is drawn; 0 for the most likely one. Default 0.</value>
    public double Temperature { get; init; }

    /// <value>Tokens are drawn from the fewest that have this probability together. Default 1: from all.</value>
    public double TopP { get; init; } = 1;

    /// <value>Seed of the draws.</value>
    public ulong Seed { get; init; }

    /// <value>Whether keys and values are kept: the same tokens in less time. Default true.</value>
    public bool KeepsKeyValues { get; init; } = true;

    /// <summary>The tokens after <paramref name="prompt"/>, one by one, until one of <paramref name="ends"/> or as many as <paramref name="count"/>.</summary>
    public IEnumerable<int> Continue(IReadOnlyList<int> prompt, int count, IReadOnlyList<int> ends)
    {
        var text = prompt.Select(token => (long)token).ToList();
        using var generator = new Generator(Seed, CPU);
        var (memory, seen) = (KeepsKeyValues ? model.Remember() : null, 0);
        try
        {
            for (var place = 0; place < count; place++)
            {
                if (text.Count > model.Positions)
                {
                    memory?.Dispose();
                    (memory, seen) = (null, text.Count - model.Positions.Value);
                }

                var next = Next([.. text.Skip(seen)], generator);
                if (ends.Contains(next))
                    yield break;

                yield return next;
                seen = memory is null ? seen : text.Count;
                text.Add(next);
            }
        }
        finally
        {
            memory?.Dispose();
        }
    }

    private int Next(long[] tokens, Generator generator)
    {
        using var frozen = no_grad();
        using var scope = NewDisposeScope();
        model.eval();
        var scores = model.call(tensor(tokens, [1, tokens.Length]).to(device))[0, -1].cpu();
        return Temperature == 0 ? (int)scores.argmax().ToInt64() : Draw(softmax(scores.div(Temperature), 0), generator);
    }

    private int Draw(Tensor probabilities, Generator generator)
    {
        var (sorted, order) = probabilities.sort(0, descending: true);
        var before = sorted.cumsum(0) - sorted;
        var kept = sorted.masked_fill(before.ge(TopP), 0);
        return (int)order[multinomial(kept, 1, false, generator)[0]].ToInt64();
    }
}
