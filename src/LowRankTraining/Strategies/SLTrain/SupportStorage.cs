namespace LowRankTraining.Strategies;

/// <summary>How it is known where a sparse part has its values.</summary>
public enum SupportStorage
{
    /// <summary>By number, row by row and ascending: 4 bytes a value, 8 in a matrix of 2³¹ entries and more.</summary>
    Indices,

    /// <summary>By the seed that they were drawn with: nothing is kept, and every forward and backward pass draws them again. A run goes on only with the seed
    /// and the names that it was started with.</summary>
    Seed,
}
