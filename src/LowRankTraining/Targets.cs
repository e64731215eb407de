namespace LowRankTraining;

/// <summary>Chooses the matrices that a method is for. Everything else is trained by the method's full-rank rule.</summary>
/// <remarks>A pattern is a part of the qualified name, as in the authors' scripts: "attn" matches "layers.0.self_attn.q_proj.weight". Upper and lower case
/// differ. The table of an <see cref="Embedding"/> module, and what has fewer than two dimensions, is never chosen.
/// A table that another module has too, as a tied output head, has several names: it counts as a table, unless a pattern names its place in that other module.
/// <see cref="Except"/> looks at all of its names. Lists of patterns may be made for several models: one that chooses nothing, or is a part of no name to leave
/// out, is named in a warning of the method's logger, as long as others choose something.</remarks>
public sealed class Targets
{
    private readonly string _description;
    private readonly Func<NamedParameter, bool> _includes;
    private readonly IReadOnlyList<string> _parts;

    /// <param name="description">What they are.</param>
    /// <param name="includes">Whether a parameter is one of them.</param>
    /// <param name="parts">The patterns that choose, if there are some.</param>
    private Targets(string description, Func<NamedParameter, bool> includes, params IReadOnlyList<string> parts) =>
        (_description, _includes, _parts) = (description, includes, parts);

    /// <value>Patterns of what is left out of the method's own choice; null where these targets are not made of it.</value>
    private string[]? OutOfOwn { get; init; }

    /// <value>The patterns that somebody has left out.</value>
    private IReadOnlyList<string> LeftOut { get; init; } = [];

    /// <value>Whether the tables of embeddings can be among them.</value>
    private bool TakesTables { get; init; }

    /// <summary>What a method is for by itself, as where no targets are given: to leave some of it out, <c>Targets.Default().Except("gate")</c>.</summary>
    /// <remarks>As long as no method has them, all matrices but embeddings and the output head.</remarks>
    public static Targets Default() => OwnExcept([]);

    /// <summary>The weights of all linear modules.</summary>
    public static Targets AllLinear() =>
        new("all linear weights", candidate => candidate.IsMatrix && !candidate.IsEmbedding && candidate.Places.Any(place => place.Module is Linear));

    /// <summary>All parameters of two or more dimensions: linear, convolution, recurrent.</summary>
    public static Targets AllMatrices() => new("all matrices", candidate => candidate.IsMatrix && !candidate.IsEmbedding);

    /// <summary>Parameters of two or more dimensions whose name contains one of <paramref name="patterns"/>.</summary>
    public static Targets Matching(params string[] patterns)
    {
        Require(patterns);
        return new($"names containing {List(patterns)}", candidate => IsChosen(candidate, patterns), patterns);
    }

    /// <summary>The weights of these names.</summary>
    internal static Targets Exactly(string description, IReadOnlySet<string> names) =>
        new(description, candidate => candidate.IsMatrix && candidate.Names.Any(names.Contains), [.. names.Order(StringComparer.Ordinal).Take(1)]);

    /// <summary>These targets without those whose name contains one of <paramref name="patterns"/>.</summary>
    public Targets Except(params string[] patterns)
    {
        Require(patterns);
        return OutOfOwn is { } earlier ? OwnExcept([.. earlier, .. patterns]) : Without(patterns, [.. LeftOut, .. patterns]);
    }

    /// <summary>The targets of a method.</summary>
    /// <param name="given">Those that it is given; null for none.</param>
    /// <param name="own">Those that it is for by itself; null for all parameters.</param>
    internal static Targets? Of(Targets? given, Targets? own) => given switch
    {
        null or { OutOfOwn.Length: 0 } => own,
        { OutOfOwn: { } patterns } => (own ?? new("all parameters", _ => true) { TakesTables = true }).Without(patterns, patterns),
        _ => given,
    };

    /// <summary>These targets without what official scripts leave to plain Adam: embeddings and the output head, by their names or their modules.</summary>
    internal Targets ExceptTablesAndHead()
    {
        var named = Without(["embed", "lm_head"], LeftOut);
        return new($"{named._description}, except the output head", candidate => named._includes(candidate) && !candidate.IsHead, _parts) { LeftOut = LeftOut };
    }

    /// <summary>The names of the parameters of <paramref name="model"/> that would be chosen, in the model's order.</summary>
    public IReadOnlyList<string> Inspect(nn.Module model) =>
        [.. NamedParameter.Of(model).Where(Includes).Select(candidate => candidate.Name)];

    /// <inheritdoc/>
    public override string ToString() => _description;

    internal bool Includes(NamedParameter candidate) => (TakesTables || !candidate.IsOnlyEmbedding) && _includes(candidate);

    /// <summary>Throws when nothing is chosen, and says what there was to choose from.</summary>
    internal void RequireAny(IReadOnlyCollection<NamedParameter> candidates)
    {
        if (candidates.Any(Includes))
            return;

        var matrices = candidates.Where(candidate => candidate.IsMatrix).Select(Described).ToArray();
        var seen = matrices.Length == 0
            ? "it has no trainable matrix at all, as one that was disposed has none"
            : $"its matrices are {string.Join(", ", matrices.Take(12))}{(matrices.Length > 12 ? $" and {matrices.Length - 12} more" : "")}";
        throw new ArgumentException($"No matrix of the model is matched by the targets ({_description}): {seen}. "
            + $"{NearestTo(candidates)}Pass Targets that match some of them, for example Targets.AllMatrices().");
    }

    /// <summary>A sentence on every pattern that chooses nothing, or is a part of no name to leave out: it may be misspelled.</summary>
    internal IReadOnlyList<string> Unused(IReadOnlyCollection<NamedParameter> parameters)
    {
        var names = parameters.Where(other => other.IsMatrix).SelectMany(other => other.Names).ToArray();
        return
        [
            .. _parts.Where(part => !parameters.Any(candidate => IsChosen(candidate, [part]))).Select(part => IsIn(part)
                ? $"'{part}' is in the names of vectors and of tables of embeddings alone, which are never chosen." : InNoName(part)),
            .. LeftOut.Where(part => !IsIn(part)).Select(part => $"{InNoName(part)} It leaves nothing out."),
        ];

        bool IsIn(string part) => parameters.Any(candidate => candidate.Matches([part]));

        string InNoName(string part) => $"'{part}' is in no name. {NearestNames.SentenceForPart(part, names)}";
    }

    private static bool IsChosen(NamedParameter candidate, string[] patterns) =>
        candidate.IsMatrix && candidate.Places.Any(place => !place.IsTable && place.Matches(patterns));

    /// <summary>A sentence on the first part that is in no name, with what may have been meant; or nothing.</summary>
    private string NearestTo(IReadOnlyCollection<NamedParameter> candidates) =>
        candidates.Count > 0 && _parts.FirstOrDefault(part => !candidates.Any(candidate => candidate.Matches([part]))) is { } absent
            ? $"'{absent}' is in no name. {NearestNames.SentenceForPart(absent, candidates.Where(other => other.IsMatrix).SelectMany(other => other.Names))} "
            : "";

    private static Targets OwnExcept(string[] patterns)
    {
        var common = AllMatrices().ExceptTablesAndHead();
        var targets = patterns.Length == 0 ? common : common.Without(patterns, patterns);
        return new(targets._description, targets._includes) { OutOfOwn = patterns, LeftOut = patterns };
    }

    private Targets Without(string[] patterns, IReadOnlyList<string> leftOut) =>
        new($"{_description}, except {List(patterns)}", candidate => _includes(candidate) && !candidate.Matches(patterns), _parts)
        {
            LeftOut = leftOut, TakesTables = TakesTables,
        };

    private static string Described(NamedParameter candidate) => candidate.IsOnlyEmbedding
        ? $"{candidate.Name} (the table of an embedding, which is always trained at full rank or frozen)"
        : candidate.Places.Count == 1 || !candidate.IsEmbedding
        ? candidate.IsHead ? $"{candidate.Name} (the output head: as many outputs as an embedding has rows)" : candidate.Name
        : $"{candidate.Name} (the table of an embedding, and also {string.Join(", ", candidate.Names.Skip(1))}: chosen where a pattern names it there)";

    private static void Require(string[] patterns)
    {
        ArgumentNullException.ThrowIfNull(patterns);
        if (patterns.Length == 0 || patterns.Any(string.IsNullOrEmpty))
            throw new ArgumentException("Give at least one pattern, and no empty one.", nameof(patterns));
    }

    private static string List(string[] patterns) => string.Join(", ", patterns.Select(pattern => $"'{pattern}'"));
}
