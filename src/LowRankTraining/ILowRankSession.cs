namespace LowRankTraining;

/// <summary>A strategy at work on one model: the parameters to optimize, each with its rule, and what happens between steps.</summary>
public interface ILowRankSession : IDisposable
{
    /// <value>The strategy's name; a checkpoint loads only into a session of the same strategy.</value>
    string Strategy { get; }

    /// <value>Seed of every random choice of this session: bases, adapters, stochastic rounding.</value>
    ulong Seed { get; }

    /// <value>Every parameter to optimize, in a fixed order.</value>
    IReadOnlyList<ParameterPlan> Parameters { get; }

    /// <value>The model, where <see cref="Parameters"/> are looked up in it at every call, so that they are those of a model that has been moved; else null.
    /// What comes into it later and takes gradients is then refused by the optimizer's step. Default null.</value>
    torch.nn.Module? Model => null;

    /// <value>The method at work, whose options a checkpoint records and compares; null where the session does not say: a checkpoint then knows its name alone.
    /// Default null.</value>
    ILowRankStrategy? Method => null;

    /// <value>Whether low-rank factors are in the weights temporarily, so that neither can be saved or loaded. Default false.</value>
    bool IsMerged => false;

    /// <value>The low-rank factors that are parameters of the model and are trained now, asked for at every use; null for a method without any. Default
    /// null.</value>
    IReadOnlyList<Parameter>? FactorParameters => null;

    /// <value>Bytes of the weights that the method has frozen, as they are kept, for <see cref="MemoryPlan"/>. Default 0.</value>
    long FrozenBytes => 0;

    /// <summary>One line for each parameter: how it is updated, and what a reader should know about that; and one for each pattern of the targets that has no
    /// effect in the model.</summary>
    string Describe() => string.Join(Environment.NewLine, Parameters.Select(plan => plan.ToLine()).Concat(Unused));

    /// <summary>Called once, when an optimizer has been made for the session and has taken no step: the method can give its state what it starts with. Nothing
    /// for most methods.</summary>
    /// <param name="state">The optimizer's memory of each parameter.</param>
    void Begin(IOptimizerState state) { }

    /// <summary>Called once, before the first step, when several processes train one model, each with a session of its own. What a session learns from the
    /// data by other ways than gradients it has to add up over them, so that all stay equal. Nothing for most methods.</summary>
    /// <param name="world">The processes.</param>
    void Join(ICollective world) { }

    /// <summary>Called before every optimizer step, when nothing is changed yet; throws when no step must be taken now. Nothing for most methods.</summary>
    void BeforeStep() { }

    /// <summary>Called after every optimizer step, under <c>no_grad</c>: merges, restarts, grows, prunes. Nothing for most methods.</summary>
    /// <param name="step">The step that has just been taken.</param>
    /// <param name="state">The optimizer's memory of each parameter.</param>
    void AfterStep(in StepContext step, IOptimizerState state);

    /// <summary>Brings the model into the form that it has after <paramref name="step"/> steps, without touching
    /// values. Called when a checkpoint is loaded.</summary>
    /// <param name="step">Completed steps of the run that goes on.</param>
    /// <param name="state">The optimizer's memory of each parameter, loaded already.</param>
    void ResumeAt(long step, IOptimizerState state);

    /// <summary>Called when a step is left out, on every process. What is learned from the data by other ways than gradients is settled as at the end of one.
    /// Nothing for most methods.</summary>
    internal void LeaveOut(IOptimizerState state) { }

    /// <summary>Called before the state is saved or copied, maybe between two micro-batches: what is known of the step that has begun, and is not in the
    /// state, goes there. Nothing for most methods.</summary>
    internal void BeforeSave(IOptimizerState state) { }

    /// <summary>Called where several processes train one model, when the next micro-batch of this one is for another lane. What is drawn for a micro-batch
    /// goes by that, and not by who has it. Nothing for most methods.</summary>
    /// <param name="lane">Its number among those of all processes, from 0.</param>
    internal void InLane(long lane) { }

    /// <value>A sentence on each pattern of the targets that has no effect in the model. Default: none.</value>
    internal IReadOnlyList<string> Unused => [];

    /// <value>What each layer of the method keeps for the backward pass. Default: nothing.</value>
    internal IEnumerable<KeptRows> Kept => [];

    /// <value>Whether rules alone look at states and gradients, so that one process may have those of a parameter for all. Default false.</value>
    internal bool LeavesStatesToRules => false;

    /// <summary>Whether one of several processes can have a parameter's state and take its steps for all: its rule always needs the whole gradient.</summary>
    internal bool CanDivide(ParameterPlan plan) => LeavesStatesToRules && plan is { Store: null, Rule.ObstacleToProjection: not null };

    /// <value>Whether what the method had put into the model is gone from it again, so that the optimizer's state is of nothing that is there. Default
    /// false.</value>
    internal bool IsFinished => false;

    /// <summary>Folds every factor back into the weight that it belongs to: a plain model again.</summary>
    void Finish();
}

/// <summary>What a session may do to the optimizer's memory between steps.</summary>
public interface IOptimizerState
{
    /// <summary>The state of <paramref name="parameter"/>.</summary>
    /// <exception cref="ArgumentException">The optimizer does not handle this parameter.</exception>
    StateBag StateOf(Parameter parameter);
}
