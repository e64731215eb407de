namespace LowRankTraining.Layers;

/// <summary>The places that share a parameter when a method is attached. A model that is moved can come out with a parameter for each of them, of which one
/// would be trained.</summary>
internal sealed class Ties
{
    private readonly nn.Module _model;
    private readonly IReadOnlyList<string[]> _groups;

    private Ties(nn.Module model, IReadOnlyList<string[]> groups) => (_model, _groups) = (model, groups);

    /// <summary>Those of a model, or null where no parameter is shared.</summary>
    public static Ties? Of(nn.Module model, IEnumerable<NamedParameter> parameters)
    {
        string[][] groups = [.. parameters.Where(parameter => parameter.IsShared).Select(parameter => parameter.Names.ToArray())];
        return groups.Length == 0 ? null : new(model, groups);
    }

    /// <exception cref="InvalidOperationException">Places that shared a parameter have one each. Nothing was changed.</exception>
    public void Require()
    {
        foreach (var names in _groups)
        {
            if (_model.At(names[0]) is { } trained && names.Skip(1).FirstOrDefault(name => IsParted(name, trained)) is { } parted)
                throw new InvalidOperationException(
                    $"'{names[0]}' and '{parted}' were one parameter when the strategy was attached, and are two now, of which only the first is trained: "
                    + "model.to(...) and a weight that is set again can part them. "
                    + $"Give '{parted}' the parameter of '{names[0]}' again. Nothing was changed.");
        }
    }

    /// <summary>Whether a place that shared the parameter has another one. Where both are frozen, nothing is lost.</summary>
    private bool IsParted(string name, Parameter trained) =>
        _model.At(name) is { } other && (other.requires_grad || trained.requires_grad) && SharedMemory.StorageOf(other) != SharedMemory.StorageOf(trained);
}
