namespace LowRankTraining.Strategies;

/// <summary>Whole parameters take turns: one in so many has a rule with memory for T updates, the others take steps that need none.</summary>
/// <remarks>
/// <para>In period k the parameter at place i is at turn where (i + k) mod turns = 0. Its memory starts from zero, and is freed at the end of the
/// period.</para>
/// <para>Source: Zmushko et al., FRUGAL, arXiv 2411.07837, "blockwise"; Luo et al., BAdam, arXiv 2404.02827.</para>
/// </remarks>
internal sealed record RoundRobinRule : UpdateRule
{
    private static readonly StateSlot Clock = new("updates");

    /// <value>The rule of a parameter at turn.</value>
    public required DirectionRule Inner { get; init; }

    /// <value>i, its place among those that take turns, from 0. Default 0.</value>
    public int Place { get; init; }

    /// <value>Of how many parameters one is at turn; at least 1. Default 4 (FRUGAL, density 0.25).</value>
    public int Turns { get; init; } = 4;

    /// <value>T, updates in a period; at least 1. Default 200 (FRUGAL).</value>
    public long Every { get; init; } = 200;

    /// <value>What the others do. Default: the sign of the gradient (FRUGAL).</value>
    public StateFreeStep Outside { get; init; }

    /// <value>α, a factor on the step of a parameter at turn. Default 1.</value>
    public double Scale { get; init; } = 1;

    /// <value>κ, a factor on the step of the others. Default 1 (FRUGAL).</value>
    public double ResidualScale { get; init; } = 1;

    public override (double Beta1, double Beta2)? Betas => Inner.Betas;

    public override void AddUpdate(Tensor gradient, Tensor accumulator, double scale, StateBag state, in StepContext step)
    {
        if (!step.Accepts(gradient))
            return;

        using var scope = NewDisposeScope();
        var completed = state.Counter(Clock);
        if (completed % Every == 0)
            Inner.Reset(state);

        if (IsAtTurn(completed))
        {
            var (direction, correction) = Inner.Advance(gradient, state, step);
            accumulator.add_(direction, scale * correction * Scale);
        }
        else if (Outside != StateFreeStep.None)
            accumulator.add_(Outside == StateFreeStep.Gradient ? gradient : StateFreeOf(gradient), scale * ResidualScale);

        state.Advance(Clock);
    }

    public override Tensor? RelativeRate(Tensor weight, StateBag state) => IsAtTurn(state.Counter(Clock)) ? Inner.RelativeRate(weight, state) : null;

    public override RoundRobinRule WithStates(StateFormat states) => this with { Inner = Inner.WithStates(states) };

    public override string? NoteFor(IReadOnlyList<long> shape) => Inner.NoteFor(shape);

    private Tensor StateFreeOf(Tensor gradient) => StateFree.Step(Outside, gradient.AsMatrix().clone()).reshape(gradient.shape);

    private bool IsAtTurn(long completed) => (Place + completed / Every) % Turns == 0;

    public override string LayoutFor(IReadOnlyList<long> shape) => $"one of {Turns} at turn for {Every} updates, {Inner.LayoutFor(shape)}";

    /// <inheritdoc/>
    /// <remarks>While the parameter is at turn; none otherwise.</remarks>
    public override IEnumerable<StateSlot> SlotsFor(IReadOnlyList<long> shape) => Inner.SlotsFor(shape).Append(Clock);
}
