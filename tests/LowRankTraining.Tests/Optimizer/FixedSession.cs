namespace LowRankTraining.Tests.Optimizer;

/// <summary>A session that optimizes what it is given and does nothing else.</summary>
internal sealed class FixedSession(params ParameterPlan[] plans) : ILowRankSession
{
    public string Strategy => "fixed";

    public ulong Seed => 0;

    public IReadOnlyList<ParameterPlan> Parameters => plans;

    public void AfterStep(in StepContext step, IOptimizerState state) { }

    public void ResumeAt(long step, IOptimizerState state) { }

    public void Finish() { }

    public void Dispose() { }
}
