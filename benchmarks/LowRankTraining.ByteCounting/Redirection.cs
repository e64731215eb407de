namespace LowRankTraining.ByteCounting;

/// <summary>Slots that hold another address than the loader wrote into them, until that is undone.</summary>
internal sealed unsafe class Redirection
{
    private readonly (nint Slot, nint Original)[] _slots;

    public Redirection(nint[] slots, nint replacement) => _slots = [.. slots.Select(slot => (slot, Exchange(slot, replacement)))];

    public void Undo()
    {
        foreach (var (slot, original) in _slots)
            Exchange(slot, original);
    }

    private static nint Exchange(nint slot, nint value) => Interlocked.Exchange(ref *(nint*)slot, value);
}
