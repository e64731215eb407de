using LowRankTraining.Strategies;

namespace LowRankTraining;

/// <summary>The methods of the library, by name.</summary>
public static class LowRankStrategies
{
    /// <value>Every method, in the order of names: gradient space first, then weight space.</value>
    public static IReadOnlyList<LowRankMethod> All { get; } =
    [
        new("adarankgrad", () => new AdaRankGrad(), "GaLore with as many dimensions as the gradient needs."),
        new("apollo", () => new Apollo(), "Scales the gradient channel by channel as Adam scales its random projection."),
        new("balanced", () => new Balanced(), "A warm-started subspace, moments in 8 bits that follow it, and the scaled residual outside."),
        new("fira", () => new Fira(), "GaLore, plus the scaled residual outside the subspace: full-rank training at low-rank memory."),
        new("flora", () => new Flora(), "Adafactor with momentum in a random sketch."),
        new("frugal", () => new Frugal(), "Adam in a part of the coordinates that changes, signSGD in the rest."),
        new("galore", () => new GaLore(), "Adam in a small subspace of each gradient."),
        new("galore2", () => new GaLore2(), "GaLore with a randomized SVD, for long runs of large models."),
        new("gradnormlorp", () => new GradNormLoRP(), "Magnitude and direction of rows apart, the direction's gradient projected from both sides."),
        new("ldadam", () => new LDAdam(), "Adam in a subspace that moves with every step, with error feedback."),
        new("online-subspace-descent", () => new OnlineSubspaceDescent(), "GaLore with a subspace that descends its own reconstruction error."),
        new("q-galore", () => new QGaLore(), "GaLore with weights and moments in 8 bits and bases in 4."),
        new("spam", () => new Spam(), "Adam behind a guard against gradient spikes, with moments that are reset."),
        new("stable-spam", () => new StableSpam(), "Adam behind adaptive clipping and normalization, for training in few bits."),
        new("subtrack", () => new SubTrack(), "A subspace that turns along the Grassmann manifold, and the scaled residual outside."),
        new("cola", () => new CoLA(), "Two thin layers with an activation between them in the place of each linear layer."),
        new("dora", () => new DoRA(), "LoRA for the directions of the rows, and a trainable length for each row."),
        new("factorized", () => new LowRankFactorization(), "Each weight a product of two thin ones, from the first step to the last."),
        new("inrank", () => new InRank(), "Factors whose rank grows until it is enough, and is then cut to what is needed."),
        new("lora", () => new LoRA(), "Low-rank factors beside frozen weights."),
        new("prilora", () => new PriLoRA(), "LoRA with ranks that grow with depth, and with pruning by importance."),
        new("relora", () => new ReLoRA(), "LoRA whose factors are merged and drawn again every few thousand steps, so that the sum reaches a high rank."),
        new("sltrain", () => new SLTrain(), "Low-rank factors and a sparse part in the place of each weight, from scratch."),
        new("switchlora", () => new SwitchLoRA(), "LoRA whose vectors are exchanged one by one, so that the sum reaches a high rank without restarts."),
        new("welore", () => new WeLore(), "Factors for the weights of a trained model that are nearly of low rank, and nothing else is trained."),
    ];

    /// <summary>Makes a method by its name, with its default options.</summary>
    /// <param name="name">One of the names of <see cref="All"/>, in any case: "fira".</param>
    /// <exception cref="ArgumentException">No method has that name; the message gives the nearest names.</exception>
    public static ILowRankStrategy Create(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return All.FirstOrDefault(method => method.Name.Equals(name, StringComparison.OrdinalIgnoreCase))?.Create()
            ?? throw new ArgumentException($"There is no method '{name}'. The nearest names are {string.Join(", ", Nearest(name))}.", nameof(name));
    }

    /// <summary>The names that take the fewest changes to reach, the nearest first.</summary>
    private static IEnumerable<string> Nearest(string name) =>
        All.Select(method => method.Name).OrderBy(candidate => Distance(name.ToLowerInvariant(), candidate)).Take(3);

    /// <summary>How many letters have to be inserted, left out or replaced to make one name the other (Levenshtein).</summary>
    private static int Distance(string from, string to)
    {
        var row = Enumerable.Range(0, to.Length + 1).ToArray();
        for (var i = 1; i <= from.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= to.Length; j++)
            {
                var replaced = diagonal + (from[i - 1] == to[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(replaced, 1 + Math.Min(row[j], row[j - 1]));
            }
        }

        return row[^1];
    }
}
