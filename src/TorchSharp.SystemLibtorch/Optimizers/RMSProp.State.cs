namespace TorchSharp.Modules;

public partial class RMSProp
{
    /// <summary>Running mean of the squared gradient, of the gradient, and the momentum of one parameter.</summary>
    public sealed class State : OptimizerState, IDisposable
    {
        public long step;
        public torch.Tensor? square_avg;
        public torch.Tensor? momentum_buffer;
        public torch.Tensor? grad_avg;

        public State(Parameter parameter)
            : base(parameter)
        {
        }

        public override void Initialize(OptimizerOptions options)
        {
            step = 0;
            square_avg = ZerosLikeParameter();
            momentum_buffer = ZerosLikeParameter();
            grad_avg = ZerosLikeParameter();
        }

        public override void SaveStateDict(BinaryWriter writer)
        {
            writer.Write(step);
            square_avg!.Save(writer);
            SaveConditionalStateTensor(writer, momentum_buffer);
            SaveConditionalStateTensor(writer, grad_avg);
        }

        public override void LoadStateDict(BinaryReader reader)
        {
            step = reader.ReadInt64();
            square_avg!.Load(reader);
            LoadConditionalStateTensor(reader, ref momentum_buffer, _parameter.device);
            LoadConditionalStateTensor(reader, ref grad_avg, _parameter.device);
        }

        public override void LoadStateDict(OptimizerState source)
        {
            var other = (State)source;
            step = other.step;
            Adopt(ref square_avg, other.square_avg);
            Adopt(ref momentum_buffer, other.momentum_buffer);
            Adopt(ref grad_avg, other.grad_avg);
        }

        public override void to(torch.Device device)
        {
            Move(ref square_avg, device);
            Move(ref momentum_buffer, device);
            Move(ref grad_avg, device);
        }

        public override bool ApproximatelyEquals(OptimizerState other)
            => other is State state
                && step == state.step
                && Close(square_avg, state.square_avg)
                && Close(momentum_buffer, state.momentum_buffer)
                && Close(grad_avg, state.grad_avg);

        public void Dispose()
        {
            square_avg?.Dispose();
            momentum_buffer?.Dispose();
            grad_avg?.Dispose();
        }
    }
}
