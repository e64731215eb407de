using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Battery.Grid;

/// <summary>Tensors of a few hundred numbers are not worth a second thread.</summary>
public sealed class OneThread : IDisposable
{
    private readonly int _before = get_num_threads();

    public OneThread() => set_num_threads(1);

    public void Dispose() => set_num_threads(_before);
}
