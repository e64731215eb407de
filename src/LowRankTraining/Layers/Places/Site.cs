namespace LowRankTraining.Layers;

/// <summary>A matrix that is to be adapted, and where it stands in the model.</summary>
/// <param name="Name">The weight's qualified name.</param>
/// <param name="Model">The model.</param>
/// <param name="Limit">The short side of the matrix, out × rest, as it was found: a weight that is kept elsewhere has no shape.</param>
/// <param name="Linear">The linear module that it belongs to, if it is one.</param>
/// <param name="Slots">Where that module hangs.</param>
/// <param name="Names">The names of the weight and of what lies over it in memory, <paramref name="Name"/> first.</param>
/// <param name="IsTied">Whether the weight is used in another place too, so that a change there would be seen here.</param>
internal sealed record Site(string Name, nn.Module Model, long Limit, Linear? Linear, IReadOnlyList<ModuleSlot> Slots, IReadOnlyList<string> Names, bool IsTied)
{
    /// <value>The matrix as it is now: to move a model is to make new parameters.</value>
    public Parameter Weight => Linear?.weight ?? Model.At(Name)!;

    /// <value>Whether the weight was frozen when it was found, and is to be so again when the model is a plain one.</value>
    public bool WasFrozen { get; init; }

    /// <value>Whether nothing but the way in which the model holds it stands against another layer in its place.</value>
    public bool IsHeldTooNarrowly => Linear is not null && !IsTied && Slots.Any(slot => slot.IsTooNarrow);

    /// <value>Whether the linear module has forward hooks of its user's: they may keep its output, or change it, which factors that are added later or left out
    /// in the end would not follow.</value>
    public bool HasHooks => Linear is not null && ForwardHooks.AnyOf(Linear);

    /// <summary>The name of another parameter of the same module.</summary>
    public string Sibling(string name) => ParameterPlace.Join(ParameterPlace.Split(Name).Path, name);

    /// <summary>Puts a module into every place of the linear one that still has what is expected there.</summary>
    public void Put(nn.Module module, nn.Module inPlaceOf) => Slots.Put(module, inPlaceOf);

    public static IReadOnlyList<Site> Find(nn.Module model, IEnumerable<NamedParameter> candidates)
    {
        var slots = ModuleSlot.Of(model);
        var neighbors = Neighbors.In(model);

        return [.. candidates.Select(candidate =>
        {
            var identity = ParameterIdentity.Of(candidate.Parameter);
            var linear = candidate.Places.Select(place => place.Module).OfType<Linear>()
                .FirstOrDefault(module => ParameterIdentity.Of(module.weight) == identity);
            string[] over = [.. neighbors.Over(candidate.Parameter).Except(candidate.Names)];
            return new Site(candidate.Name, model, candidate.Parameter.shape.ShortSide(), linear, linear is null ? [] : [.. slots[linear]],
                [.. candidate.Names, .. over], candidate.IsShared || over.Length > 0) { WasFrozen = candidate.IsFrozen };
        })];
    }

    /// <summary>The way in, with the reason for it, or null with the reason against it.</summary>
    public (Injection? Way, string Reason) Choose(Injection wanted, IReadOnlyList<Injection> possible)
    {
        if (wanted != Injection.Auto)
            return !possible.Contains(wanted) ? (null, "the method cannot enter a model this way")
                : Against(wanted) is { } against ? (null, against)
                : (wanted, "as asked");

        var refusals = new List<string>();
        foreach (var way in possible)
        {
            if (Against(way) is not { } against)
                return (way, refusals.FirstOrDefault() ?? "its place takes another module");
            refusals.Add(against);
        }

        return (null, refusals[0]);
    }

    private string? Against(Injection way) => way switch
    {
        Injection.Shadow => null,
        _ when IsTied => $"several modules share it: {string.Join(", ", Names)}",
        _ when Linear is null => "it is not the weight of a linear module",
        Injection.Hook => HasHooks ? ModuleSlot.HooksOfItsOwn : null,
        _ => Obstacle,
    };

    private string? Obstacle =>
        Slots.Count == 0 ? "it is the model itself" : Slots.Select(slot => slot.Obstacle).FirstOrDefault(obstacle => obstacle is not null);
}
