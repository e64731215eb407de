namespace LowRankTraining.Layers;

/// <summary>Sees the inputs of a layer while it is trained, and keeps what it makes of them with the optimizer's state.</summary>
internal abstract class InputWatch : IDisposable
{
    /// <summary>Takes a batch in.</summary>
    /// <param name="rows">N × n.</param>
    public abstract void See(Tensor rows);

    /// <summary>Says, before the first step, which processes train the model together.</summary>
    public abstract void Join(ICollective world);

    /// <summary>Takes in, at the end of a step, what other processes have seen.</summary>
    /// <param name="a">The factor A, r × n.</param>
    public abstract void Settle(Tensor a);

    /// <summary>Puts what is known into the state of the factor A.</summary>
    public abstract void Save(StateBag state);

    public abstract void Load(StateBag state);

    public abstract void Dispose();
}
