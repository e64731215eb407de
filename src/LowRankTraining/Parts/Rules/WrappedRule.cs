namespace LowRankTraining.Parts;

/// <summary>A rule that is another one, but for what it says otherwise. It takes whole gradients.</summary>
/// <param name="Inner">The other one.</param>
internal abstract record WrappedRule(UpdateRule Inner) : UpdateRule
{
    public override (double Beta1, double Beta2)? Betas => Inner.Betas;

    public override void AddUpdate(Tensor gradient, Tensor accumulator, double scale, StateBag state, in StepContext step) =>
        Inner.AddUpdate(gradient, accumulator, scale, state, step);

    public override Tensor? RelativeRate(Tensor weight, StateBag state) => Inner.RelativeRate(weight, state);

    public override string LayoutFor(IReadOnlyList<long> shape) => Inner.LayoutFor(shape);

    public override IEnumerable<StateSlot> SlotsFor(IReadOnlyList<long> shape) => Inner.SlotsFor(shape);
}
