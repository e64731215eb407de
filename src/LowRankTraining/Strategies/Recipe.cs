using Microsoft.Extensions.Options;

namespace LowRankTraining.Strategies;

/// <summary>A method of your own, put together from rules.</summary>
public sealed record Recipe : UpdateMethod
{
    private Recipe(string name, UpdateRule matrices, UpdateRule others) => (Name, Matrices, Others) = (name, matrices, others);

    /// <inheritdoc/>
    public override string Name { get; }

    /// <value>The rule of the targets: by default of all matrices but embeddings and the output head.</value>
    public UpdateRule Matrices { get; }

    /// <value>The rule of everything else.</value>
    public UpdateRule Others { get; }

    /// <summary>A method that leaves the model as it is: one rule for its matrices, another for everything else.</summary>
    /// <param name="name">Lower-case letters, digits, dots and dashes: "contoso.warm-sign". A checkpoint loads only into a method of the same name.</param>
    /// <param name="matrices">The rule of the targets (by default all matrices but embeddings and the output head): most often a
    /// <see cref="SubspaceRule"/>.</param>
    /// <param name="others">The rule of everything else; Adam when null.</param>
    /// <param name="seed">Seed of whatever is drawn at random: bases, stochastic rounding.</param>
    /// <exception cref="OptionsValidationException">The parts contradict each other or are out of range, or the name has other characters; all of it
    /// listed.</exception>
    public static Recipe Of(string name, UpdateRule matrices, UpdateRule? others = null, ulong seed = 0)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(matrices);
        return Checks.Require(new Recipe(name, matrices, others ?? new AdamRule()) { Seed = seed });
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The rule of everything else is for the matrices of layers, and there is the table of an embedding.</exception>
    protected override UpdateRule RuleFor(in ParameterRole role)
    {
        if (role is { IsTarget: false, IsTable: true } && Others.NeedsMatrix)
            throw new ArgumentException(Others.RefusalOf(role.Name, "the table of an embedding"));
        return role.IsTarget ? Matrices : Others;
    }

    /// <inheritdoc/>
    public override void Check(Checks checks)
    {
        base.Check(checks);
        checks.Part(Matrices).Part(Others);
    }
}
