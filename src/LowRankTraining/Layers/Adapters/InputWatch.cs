using static TorchSharp.torch;

namespace LowRankTraining.Layers;

/// <summary>Sees the inputs of a layer while it is trained, and keeps what it makes of them with the optimizer's state.</summary>
internal abstract class InputWatch : IDisposable
{
    /// <summary>Takes a batch in.</summary>
    /// <param name="rows">N × n.</param>
    public abstract void See(Tensor rows);

    public abstract void Save(StateBag state);

    public abstract void Load(StateBag state);

    public abstract void Dispose();
}
