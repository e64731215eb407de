namespace LowRankTraining;

/// <summary>What a layer keeps for the backward pass, beyond the rows of its input.</summary>
/// <param name="BytesPerRow">For each of them.</param>
/// <param name="Below">From so many on, nothing.</param>
internal readonly record struct KeptRows(long BytesPerRow, long Below)
{
    public long BytesFor(long rows) => rows < Below ? rows * BytesPerRow : 0;
}
