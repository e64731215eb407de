using System.Text.Json.Nodes;
using LowRankTraining.Strategies;
using LowRankTraining.Text;
using Microsoft.Extensions.Options;

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
        new("dion", () => new Dion(), "Orthogonal steps of low rank from a momentum that keeps what they leave out."),
        new("fira", () => new Fira(), "GaLore, plus the scaled residual outside the subspace: full-rank training at low-rank memory."),
        new("flora", () => new Flora(), "Adafactor with momentum in a random sketch."),
        new("frugal", () => new Frugal(), "Adam in a part of the coordinates that changes, signSGD in the rest."),
        new("galore", () => new GaLore(), "Adam in a small subspace of each gradient."),
        new("galore2", () => new GaLore2(), "GaLore with a randomized SVD, for long runs of large models."),
        new("gradnormlorp", () => new GradNormLoRP(), "Magnitude and direction of rows apart, the direction's gradient projected from both sides."),
        new("gum", () => new Gum(), "Muon in a subspace, and outside of it for matrices that are drawn, so that on average nothing of a gradient is lost."),
        new("ldadam", () => new LDAdam(), "Adam in a subspace that moves with every step, with error feedback."),
        new("mofasgd", () => new MoFaSgd(), "Momentum kept as its singular value decomposition of low rank, with steps along its polar factor."),
        new("muon", () => new Muon(), "Momentum whose singular values are all brought to 1, and AdamW for what is no matrix of a layer."),
        new("online-subspace-descent", () => new OnlineSubspaceDescent(), "GaLore with a subspace that descends its own reconstruction error."),
        new("q-galore", () => new QGaLore(), "GaLore with weights and moments in 8 bits and bases in 4."),
        new("scale", () => new Scale(), "Gradients normalized output by output, and momentum on the last layer alone."),
        new("sinkgd", () => new SinkGD(), "Gradients whose rows and columns all have one length, without any memory."),
        new("spam", () => new Spam(), "Adam behind a guard against gradient spikes, with moments that are reset."),
        new("stable-spam", () => new StableSpam(), "Adam behind adaptive clipping and normalization, for training in few bits."),
        new("subtrack", () => new SubTrack(), "A subspace that turns along the Grassmann manifold, and the scaled residual outside."),
        new("sumo", () => new Sumo(), "Momentum in a subspace, all of its singular values brought to 1, and the gradient as it is outside."),
        new("cola", () => new CoLA(), "Two thin layers with an activation between them in the place of each linear layer."),
        new("dora", () => new DoRA(), "LoRA for the directions of the rows, and a trainable length for each row."),
        new("factorized", () => new LowRankFactorization(), "Each weight a product of two thin ones, from the first step to the last."),
        new("inrank", () => new InRank(), "Factors whose rank grows until it is enough, and is then cut to what is needed."),
        new("lora", () => new LoRA(), "Low-rank factors beside frozen weights."),
        new("prilora", () => new PriLoRA(), "LoRA with ranks that grow with depth, and with pruning by importance."),
        new("relora", () => new ReLoRA(), "LoRA whose factors are merged and drawn again every few thousand steps, so that the sum reaches a high rank."),
        new("sltrain", () => new SLTrain(), "Low-rank factors and a sparse part in the place of each weight, from scratch."),
        new("spectron", () => new Spectron(), "Two thin factors in the place of each weight, whose steps together are bounded in every direction."),
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
            ?? throw new ArgumentException($"There is no method '{name}'. {NearestNames.Sentence(name, All.Select(method => method.Name))}", nameof(name));
    }

    /// <summary>Makes a method from its text form, which every method of the library prints itself as.</summary>
    /// <remarks>The text is a name, or a JSON object with the name under "Method" and options under theirs; parts and formats are words, or objects with the
    /// word under "Kind":
    /// <c>{ "Method": "fira", "Rank": 64, "States": "8bit", "Basis": "dct", "Refresh": { "Kind": "staggered", "Every": 100 } }</c>.
    /// Words are the names of types in small letters, without what all of their kind are called: "staggered" for <see cref="Parts.StaggeredRefresh"/>.
    /// Those of other assemblies are known once the assembly is loaded. <c>JsonSerializer</c> reads and writes the same as an <see cref="ILowRankStrategy"/>.
    /// Options are not checked here but when the method is attached, or by <see cref="Checks"/>.</remarks>
    /// <exception cref="FormatException">The text begins as JSON and is none.</exception>
    /// <exception cref="OptionsValidationException">Names or values are not known: all of them, each with its path and the nearest names.</exception>
    public static ILowRankStrategy Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return Parse<ILowRankStrategy>(MethodText.Parse(text));
    }

    /// <summary>Makes a method, or a part of one family, from its text form.</summary>
    /// <typeparam name="TPart">The family: <see cref="ILowRankStrategy"/>, <see cref="Parts.IBasis"/>, <see cref="Schedules.ILrSchedule"/>, ...</typeparam>
    /// <param name="text">A word, or an object with the word and options. Numbers and flags may be texts, and lists objects with numbers for keys.</param>
    /// <param name="path">Where it comes from, as messages begin: "Training".</param>
    /// <param name="neighbors">Keys beside the options, which are for somebody else and are not read.</param>
    /// <exception cref="OptionsValidationException">Names or values are not known: all of them, each with its path and the nearest names.</exception>
    public static TPart Parse<TPart>(JsonNode? text, string path = "", params IReadOnlyCollection<string> neighbors) where TPart : class =>
        PartReader.Read<TPart>(text, path, neighbors);
}

/// <summary>A method by its name: one row of <see cref="LowRankStrategies.All"/>.</summary>
/// <param name="Name">Short lower-case name, that of <see cref="ILowRankStrategy.Name"/>.</param>
/// <param name="Create">Makes the method as it is by default.</param>
/// <param name="Summary">What it does, in one sentence.</param>
public sealed record LowRankMethod(string Name, Func<ILowRankStrategy> Create, string Summary);
