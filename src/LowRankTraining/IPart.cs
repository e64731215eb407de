namespace LowRankTraining;

/// <summary>Something with options that can tell whether they are right: a method, or one of the parts that methods are made of.</summary>
public interface IPart
{
    /// <summary>Reports every option that is out of range, and everything that does not go together. Nothing by default.</summary>
    /// <param name="checks">Collects what is wrong. Parts within this one are checked by <see cref="Checks.Part"/>.</param>
    void Check(Checks checks) { }
}
