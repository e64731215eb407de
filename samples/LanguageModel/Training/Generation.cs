using LanguageModel.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace LanguageModel.Training;

/// <summary>Lets a model write on.</summary>
/// <param name="model">The model.</param>
/// <param name="device">Where it is.</param>
/// <remarks>Plain on purpose: every token is computed from the whole text before it. Keeping keys and values would make long texts faster.</remarks>
public sealed class Generation(CausalLanguageModel model, Device device)
{
    /// <value>Divides the scores before a token is drawn; 0 for the most likely one. Default 0.</value>
    public double Temperature { get; init; }

    /// <value>Tokens are drawn from the fewest that have this probability together. Default 1: from all.</value>
    public double TopP { get; init; } = 1;

    /// <value>Seed of the draws.</value>
    public ulong Seed { get; init; }

    /// <summary>The tokens after <paramref name="prompt"/>, one by one, until one of <paramref name="ends"/> or as many as <paramref name="count"/>.</summary>
    public IEnumerable<int> Continue(IReadOnlyList<int> prompt, int count, IReadOnlyList<int> ends)
    {
        var text = prompt.Select(token => (long)token).ToList();
        using var generator = new Generator(Seed, CPU);
        for (var place = 0; place < count; place++)
        {
            var next = Next(text, generator);
            if (ends.Contains(next))
                yield break;

            yield return next;
            text.Add(next);
        }
    }

    private int Next(List<long> text, Generator generator)
    {
        using var frozen = no_grad();
        using var scope = NewDisposeScope();
        var seen = text.Skip(Math.Max(0, text.Count - (model.Positions ?? text.Count))).ToArray();
        model.eval();
        var scores = model.call(tensor(seen, [1, seen.Length]).to(device))[0, -1].cpu();
        return Temperature == 0 ? (int)scores.argmax().ToInt64() : Draw(softmax(scores / Temperature, 0), generator);
    }

    private int Draw(Tensor probabilities, Generator generator)
    {
        var (sorted, order) = probabilities.sort(0, descending: true);
        var before = sorted.cumsum(0) - sorted;
        var kept = sorted.masked_fill(before.ge(TopP), 0);
        return (int)order[multinomial(kept, 1, false, generator)[0]].ToInt64();
    }
}
