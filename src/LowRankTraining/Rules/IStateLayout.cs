namespace LowRankTraining.Rules;

/// <summary>A rule that can say how it lays out its state: a checkpoint made with another layout is refused, and memory can be planned before training.</summary>
public interface IStateLayout
{
    /// <summary>A short description, equal exactly where states are interchangeable: "Left subspace of rank 128 of 512".</summary>
    /// <param name="shape">The parameter's shape.</param>
    string LayoutFor(IReadOnlyList<long> shape);

    /// <summary>Bytes of state of a float32 or half-precision parameter of this shape, between steps, once the first step has been taken.</summary>
    /// <param name="shape">The parameter's shape.</param>
    long BytesFor(IReadOnlyList<long> shape);
}
