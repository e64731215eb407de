namespace TorchSharp.Modules;

public partial class SGD
{
    /// <summary>The momentum of one parameter, from its first step with momentum on.</summary>
    public sealed class State : OptimizerState, IDisposable
    {
        public torch.Tensor? momentum_buffer;

        public State(Parameter parameter)
            : base(parameter)
        {
        }

        public override void Initialize(OptimizerOptions options) => momentum_buffer = null;

        public override void SaveStateDict(BinaryWriter writer) => SaveConditionalStateTensor(writer, momentum_buffer);

        public override void LoadStateDict(BinaryReader reader) => LoadConditionalStateTensor(reader, ref momentum_buffer, _parameter.device);

        public override void LoadStateDict(OptimizerState source) => Adopt(ref momentum_buffer, ((State)source).momentum_buffer);

        public override void to(torch.Device device) => Move(ref momentum_buffer, device);

        public override bool ApproximatelyEquals(OptimizerState other)
            => other is State state && Close(momentum_buffer, state.momentum_buffer);

        public void Dispose() => momentum_buffer?.Dispose();
    }
}
