namespace LowRankTraining.Strategies;

/// <summary>A session that does something around another, which does the rest.</summary>
internal abstract class WrappedSession(ILowRankSession inner) : ILowRankSession
{
    protected ILowRankSession Inner => inner;

    public string Strategy => inner.Strategy;

    public ulong Seed => inner.Seed;

    public virtual IReadOnlyList<ParameterPlan> Parameters => inner.Parameters;

    public virtual nn.Module? Model => inner.Model;

    public ILowRankStrategy? Method => inner.Method;

    public bool IsMerged => inner.IsMerged;

    public IReadOnlyList<Parameter>? FactorParameters => inner.FactorParameters;

    public long FrozenBytes => inner.FrozenBytes;

    public IEnumerable<KeptRows> Kept => inner.Kept;

    public virtual bool IsFinished => inner.IsFinished;

    public IReadOnlyList<string> Unused => inner.Unused;

    public bool LeavesStatesToRules => inner.LeavesStatesToRules;

    public void Begin(IOptimizerState state) => inner.Begin(state);

    public void Join(ICollective world) => inner.Join(world);

    public virtual void BeforeStep() => inner.BeforeStep();

    public virtual void AfterStep(in StepContext step, IOptimizerState state) => inner.AfterStep(step, state);

    public virtual void ResumeAt(long step, IOptimizerState state) => inner.ResumeAt(step, state);

    public void LeaveOut(IOptimizerState state) => inner.LeaveOut(state);

    public void BeforeSave(IOptimizerState state) => inner.BeforeSave(state);

    public void InLane(long lane) => inner.InLane(lane);

    public virtual void Finish() => inner.Finish();

    public virtual void Dispose() => inner.Dispose();
}
