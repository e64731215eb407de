namespace LowRankTraining.Parts;

/// <summary>Tempers an update by its norm.</summary>
public interface ILimiter : IPart
{
    /// <value>What it keeps for one parameter. Default: nothing.</value>
    IEnumerable<StateSlot> Slots => [];

    /// <summary>The factor, in [0, 1], that an update of this norm is multiplied by.</summary>
    /// <param name="norm">‖S‖_F, a scalar on the device. It may be overwritten, and returned.</param>
    /// <param name="state">What the limiter keeps of earlier updates.</param>
    /// <returns>A scalar on the same device: nothing is read back to the host.</returns>
    Tensor Factor(Tensor norm, StateBag state);
}
