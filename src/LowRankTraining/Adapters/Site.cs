using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Adapters;

/// <summary>A matrix that is to be adapted, and where it stands in the model.</summary>
/// <param name="Name">The weight's qualified name.</param>
/// <param name="Weight">The matrix.</param>
/// <param name="Linear">The linear module that it belongs to, if it is one.</param>
/// <param name="Slots">Where that module hangs.</param>
/// <param name="Names">The names of the weight and of what lies over it in memory, <paramref name="Name"/> first.</param>
/// <param name="IsTied">Whether the weight is used in another place too, so that a change there would be seen here.</param>
internal sealed record Site(string Name, Parameter Weight, Linear? Linear, IReadOnlyList<Slot> Slots, IReadOnlyList<string> Names, bool IsTied)
{
    /// <value>The short side of the matrix, out × rest, as it was found: a weight that is kept elsewhere has no shape meanwhile.</value>
    public long Limit { get; } = Math.Min(Weight.shape[0], Weight.numel() / Weight.shape[0]);

    /// <summary>The name of another parameter of the same module.</summary>
    public string Sibling(string name) => Name.LastIndexOf('.') is >= 0 and var dot ? $"{Name[..dot]}.{name}" : name;

    public static IReadOnlyList<Site> Find(nn.Module model, IEnumerable<NamedParameter> candidates)
    {
        var slots = Slot.Of(model);
        var neighbors = Neighbors.In(model);

        return [.. candidates.Select(candidate =>
        {
            var identity = ParameterIdentity.Of(candidate.Parameter);
            var linear = candidate.Places.Select(place => place.Module).OfType<Linear>().FirstOrDefault(module => ParameterIdentity.Of(module.weight) == identity);
            string[] over = [.. neighbors.Over(candidate.Parameter).Except(candidate.Names)];
            return new Site(candidate.Name, candidate.Parameter, linear, linear is null ? [] : [.. slots[linear]],
                [.. candidate.Names, .. over], candidate.IsShared || over.Length > 0);
        })];
    }

    /// <summary>The way in, with the reason for it, or null with the reason against it.</summary>
    /// <param name="wanted">What the user asks for.</param>
    /// <param name="possible">The ways that the method can go.</param>
    public (Injection? Way, string Reason) Choose(Injection wanted, IReadOnlyList<Injection> possible)
    {
        if (wanted != Injection.Auto)
            return !possible.Contains(wanted) ? (null, "the method cannot enter a model this way") : Against(wanted) is { } against ? (null, against) : (wanted, "as asked");

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
        Injection.Hook => null,
        _ => Obstacle,
    };

    private string? Obstacle => Slots switch
    {
        [] => "it is the model itself",
        [var only] => only.Obstacle,
        _ => "it hangs in several places",
    };
}
