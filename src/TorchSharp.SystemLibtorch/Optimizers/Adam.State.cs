namespace TorchSharp.Modules;

public partial class Adam
{
    /// <summary>First and second moment of one parameter's gradient.</summary>
    public sealed class State : OptimizerState, IDisposable
    {
        public long step;
        public torch.Tensor? exp_avg;
        public torch.Tensor? exp_avg_sq;
        public torch.Tensor? max_exp_avg_sq;

        public State(Parameter parameter)
            : base(parameter)
        {
        }

        public override void Initialize(OptimizerOptions options)
        {
            step = 0;
            exp_avg = ZerosLikeParameter();
            exp_avg_sq = ZerosLikeParameter();
            if (((Options)options).amsgrad!.Value)
            {
                max_exp_avg_sq = ZerosLikeParameter();
            }
        }

        public override void SaveStateDict(BinaryWriter writer)
        {
            writer.Write(step);
            exp_avg!.Save(writer);
            exp_avg_sq!.Save(writer);
            SaveConditionalStateTensor(writer, max_exp_avg_sq);
        }

        public override void LoadStateDict(BinaryReader reader)
        {
            step = reader.ReadInt64();
            exp_avg!.Load(reader);
            exp_avg_sq!.Load(reader);
            LoadConditionalStateTensor(reader, ref max_exp_avg_sq, _parameter.device);
        }

        public override void LoadStateDict(OptimizerState source)
        {
            var other = (State)source;
            step = other.step;
            Adopt(ref exp_avg, other.exp_avg);
            Adopt(ref exp_avg_sq, other.exp_avg_sq);
            Adopt(ref max_exp_avg_sq, other.max_exp_avg_sq);
        }

        public override void to(torch.Device device)
        {
            Move(ref exp_avg, device);
            Move(ref exp_avg_sq, device);
            Move(ref max_exp_avg_sq, device);
        }

        public override bool ApproximatelyEquals(OptimizerState other)
            => other is State state
                && step == state.step
                && Close(exp_avg, state.exp_avg)
                && Close(exp_avg_sq, state.exp_avg_sq)
                && Close(max_exp_avg_sq, state.max_exp_avg_sq);

        public void Dispose()
        {
            exp_avg?.Dispose();
            exp_avg_sq?.Dispose();
            max_exp_avg_sq?.Dispose();
        }

        internal torch.Tensor LargestSecondMoment()
        {
            using var before = max_exp_avg_sq!;
            return max_exp_avg_sq = torch.maximum(before, exp_avg_sq!).DetachFromDisposeScope();
        }
    }
}
