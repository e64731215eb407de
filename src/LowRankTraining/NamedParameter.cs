namespace LowRankTraining;

/// <summary>A parameter that is trained, or can be once it is no longer frozen, and where it stands in the model. A shared one stands in several places, and
/// is one parameter all the same.</summary>
/// <param name="Name">The first of its names in the model's order.</param>
/// <param name="Parameter">One of the objects for it.</param>
/// <param name="Places">Every place, the first one first; a view of it, such as its transpose, is a place of its.</param>
internal sealed record NamedParameter(string Name, Parameter Parameter, IReadOnlyList<ParameterPlace> Places)
{
    /// <value>Whether it is the table of an embedding, in one of its places.</value>
    public bool IsEmbedding => Places.Any(place => place.IsTable);

    /// <value>Whether it is nothing but that.</value>
    public bool IsOnlyEmbedding => Places.All(place => place.IsTable);

    /// <value>Whether it is the table of an embedding, as far as can be told: in a list without modules by its name.</value>
    public bool IsTable => IsEmbedding || Places.All(place => place.Module is null) && IsMatrix && Matches(["embed"]);

    /// <value>Whether it is the matrix of the output head, as its place and its size tell: the last linear layer, and the only one whose outputs are as many
    /// as an embedding of the model has rows.</value>
    public bool IsHead { get; init; }

    /// <value>Whether there is a subspace in it: two dimensions at least, and none of them empty.</value>
    public bool IsMatrix => Parameter.dim() >= 2 && Parameter.NumberOfElements > 0;

    /// <value>Whether its user has frozen it, for now: it takes no gradient.</value>
    public bool IsFrozen => !Parameter.requires_grad;

    /// <value>Its names, in the model's order.</value>
    public IEnumerable<string> Names => Places.Select(place => place.Name);

    public bool Matches(string[] patterns) => Places.Any(place => place.Matches(patterns));

    /// <value>Whether more than one place in the model has it. A module that hangs in several places is one.</value>
    public bool IsShared => Places.DistinctBy(place => (place.Module, place.LocalName)).Count() > 1;

    /// <summary>The parameters of a model, frozen ones too, each once, in the model's order.</summary>
    /// <remarks>Numbers that are no floating-point ones cannot be trained: they are left out while they are frozen. So is a frozen parameter over the memory
    /// of another one, which has those numbers already.</remarks>
    /// <exception cref="ArgumentException">The model holds 8-bit weights, which plain parameters do not stand in for; or some of its parameters lie over each
    /// other in memory.</exception>
    public static IReadOnlyList<NamedParameter> Of(nn.Module model)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (ParameterPlace.ModulesOf(model).Any(pair => pair.Module is IWeightStore))
            throw new ArgumentException("The model holds 8-bit weights already. Call Finish() on the session that put them there, then attach again; what "
                + "was in 8 bits before there was a session QGaLore trains. Nothing was changed.");

        return WithHead(From(model.named_parameters(), ParameterPlace.In(model)));
    }

    /// <summary>Those of a list, each once.</summary>
    /// <param name="parameters">Names and parameters, in order.</param>
    /// <param name="places">Where they stand, if that is known; else their names are all that is.</param>
    /// <exception cref="ArgumentException">Parameters lie over each other in memory, or one is null or was disposed.</exception>
    public static IReadOnlyList<NamedParameter> From(
        IEnumerable<(string name, Parameter parameter)> parameters, ILookup<ParameterIdentity, ParameterPlace>? places = null)
    {
        var listed = Sound(parameters)
            .GroupBy(pair => ParameterIdentity.Of(pair.parameter), (identity, same) => Of([.. same], places?[identity] ?? [])).ToArray();
        var (leaves, computed) = (listed.Where(candidate => candidate.Parameter.is_leaf).ToArray(), listed.Where(candidate => !candidate.Parameter.is_leaf));
        var all = WithViews(leaves, computed).ToArray();
        SharedMemory.Refuse(all.Where(candidate => !candidate.IsFrozen).Select(candidate => (candidate.Name, candidate.Parameter)));
        return [.. all.Where((candidate, index) =>
            !candidate.IsFrozen || (candidate.Parameter.dtype.IsTrainable() && !IsHeldElsewhere(candidate, index, all)))];
    }

    private static (string name, Parameter parameter)[] Sound(IEnumerable<(string name, Parameter parameter)> parameters)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        (string name, Parameter parameter)[] listed = [.. parameters];
        var place = Array.FindIndex(listed, pair => pair is (null, _) or (_, null or { IsInvalid: true }));
        return place < 0 ? listed : throw new ArgumentException(
            $"Parameter {place} of the list ('{listed[place].name}') is null, has no name, or was disposed. "
            + "Pass model.named_parameters() of the model as it is now.", nameof(parameters));
    }

    private static IReadOnlyList<NamedParameter> WithHead(IReadOnlyList<NamedParameter> parameters)
    {
        var words = parameters.Where(candidate => candidate.IsEmbedding).Select(candidate => candidate.Parameter.shape[0]).ToHashSet();
        var linear = parameters.Where(candidate => candidate.IsMatrix && candidate.Places.Any(place => place.Module is Linear)).ToArray();
        return linear is [.., var last] && words.Contains(last.Parameter.shape[0]) && linear.Count(other => words.Contains(other.Parameter.shape[0])) == 1
            ? [.. parameters.Select(candidate => ReferenceEquals(candidate, last) ? last with { IsHead = true } : candidate)]
            : parameters;
    }

    /// <exception cref="ArgumentException">A parameter is of a dtype that cannot be trained.</exception>
    public static void RequireTrainable(IEnumerable<NamedParameter> parameters)
    {
        var others = parameters.Where(candidate => !candidate.Parameter.dtype.IsTrainable()).ToArray();
        if (others.Length > 0)
            throw new ArgumentException("Only float64, float32, bfloat16 and float16 parameters can be trained. Freeze these, or convert the model first: "
                + $"{string.Join(", ", others.Select(candidate => $"{candidate.Name} ({candidate.Parameter.dtype})"))}. Nothing was changed.");
    }

    /// <summary>Whether a frozen parameter's numbers are those of a trained one, or of one that comes before it.</summary>
    private static bool IsHeldElsewhere(NamedParameter frozen, int place, NamedParameter[] all) =>
        all.Where((other, index) => index < place || (index > place && !other.IsFrozen)).Any(other => SharedMemory.Overlap(other.Parameter, frozen.Parameter));

    private static NamedParameter Of((string Name, Parameter Parameter)[] same, IEnumerable<ParameterPlace> places)
    {
        var (name, parameter) = same[0];
        var names = same.Select(pair => new ParameterPlace(pair.Name, null));
        return new(name, parameter, [.. places.Concat(names).DistinctBy(place => place.Name).OrderByDescending(place => place.Name == name)]);
    }

    /// <summary>A view is no parameter: its gradient arrives at the one that it shows, and its places are places of that.</summary>
    private static IEnumerable<NamedParameter> WithViews(NamedParameter[] leaves, IEnumerable<NamedParameter> computed)
    {
        var shown = computed.ToLookup(view => Array.Find(leaves, leaf => SharedMemory.IsViewOf(view.Parameter, leaf.Parameter)));
        return leaves.Select(leaf => leaf with { Places = [.. leaf.Places, .. shown[leaf].SelectMany(view => view.Places)] }).Concat(shown[null]);
    }
}
