using System.Globalization;
using System.Text.Json.Serialization;

namespace LowRankTraining.Benchmarks.Figures;

/// <summary>One number that was measured, and what it should be.</summary>
/// <param name="Name">What was measured.</param>
/// <param name="Value">What came out.</param>
/// <param name="Unit">In which unit.</param>
/// <param name="Goal">What should come out; null where a number is only shown to make others understandable.</param>
internal sealed record Figure(string Name, double Value, string Unit, [property: JsonIgnore] Goal? Goal = null)
{
    public string? Target => Goal?.ToString();

    public bool? Holds => Goal?.IsMetBy(Value);
}

/// <summary>A bound on a figure.</summary>
internal sealed record Goal
{
    private readonly string _relation;
    private readonly double _bound;

    private Goal(string relation, double bound) => (_relation, _bound) = (relation, bound);

    public static Goal AtMost(double bound) => new("<=", bound);

    public static Goal AtLeast(double bound) => new(">=", bound);

    public static Goal Exactly(double bound) => new("=", bound);

    public bool IsMetBy(double value) => _relation switch
    {
        "<=" => value <= _bound,
        ">=" => value >= _bound,
        _ => value == _bound,
    };

    public override string ToString() => $"{_relation} {_bound.ToString(CultureInfo.InvariantCulture)}";
}
