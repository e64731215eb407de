namespace LowRankTraining.Rules;

/// <summary>A rule that can say how it lays out its state, so that a checkpoint made with another layout is refused.</summary>
public interface IStateLayout
{
    /// <summary>A short description, equal exactly where states are interchangeable: "Left subspace of rank 128 of 512".</summary>
    /// <param name="shape">The parameter's shape.</param>
    string LayoutFor(IReadOnlyList<long> shape);
}
