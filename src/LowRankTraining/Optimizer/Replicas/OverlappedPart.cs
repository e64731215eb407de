namespace LowRankTraining;

/// <summary>What is known of sending a parameter's R in the backward pass.</summary>
internal sealed class OverlappedPart
{
    /// <value>Numbers of R that the last step has exchanged; 0 where it has not.</value>
    public long Length { get; private set; }

    /// <value>Its place among those that are sent early in this window; null where it is not.</value>
    public int? Place { get; set; }

    /// <value>Whether it has been sent in this window.</value>
    public bool IsSent { get; set; }

    /// <value>Whether something else was sent than what there is now.</value>
    public bool IsLate { get; set; }

    /// <value>Backward passes that have had a gradient for it in this window.</value>
    public int Passes { get; set; }

    /// <value>The same of the window before.</value>
    public int PassesBefore { get; private set; }

    /// <summary>What there is of the parameter changes: what has been sent is not that.</summary>
    public void Change() => IsLate |= IsSent;

    /// <summary>Learns from what a step has exchanged.</summary>
    public void Learn(long length) => (Length, PassesBefore) = (length, Passes);

    /// <summary>Begins another window.</summary>
    /// <param name="keepsPlace">Whether the one before had no step, so that for the others this is still the same.</param>
    public void Start(bool keepsPlace)
    {
        Change();
        Passes = 0;
        if (!keepsPlace)
            (Place, IsSent, IsLate) = (null, false, false);
    }
}
