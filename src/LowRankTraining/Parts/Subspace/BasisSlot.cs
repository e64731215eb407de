namespace LowRankTraining.Parts;

/// <summary>Where one basis of a parameter is kept: its name, and those of its counters.</summary>
internal sealed class BasisSlot
{
    private readonly string _part;

    private BasisSlot(string name, string part) => (Name, Rank, Drawn, _part) = (new(name), new(name + "_rank"), new(name + "_drawn"), part);

    /// <value>The basis of a projection of one side.</value>
    public static BasisSlot Only { get; } = new("basis", "");

    /// <value>P of a projection of both sides.</value>
    public static BasisSlot Left { get; } = new("basis_left", "/basis_left");

    /// <value>Q of a projection of both sides.</value>
    public static BasisSlot Right { get; } = new("basis_right", "/basis_right");

    /// <value>What is kept of the basis.</value>
    public StateSlot Name { get; }

    /// <value>Counter: how many columns there are.</value>
    public StateSlot Rank { get; }

    /// <value>Counter: the step in which a drawn basis was drawn first.</value>
    public StateSlot Drawn { get; }

    /// <summary>The basis in a format.</summary>
    public MomentSlot In(StateFormat format) => new(Name, 0) { Format = format };

    /// <summary>Two bases of one parameter draw different numbers: with equal ones, rows and columns of a square matrix would get the same subspace.</summary>
    public StepContext Keyed(in StepContext step) => _part.Length == 0 ? step : step with { Part = _part };
}
