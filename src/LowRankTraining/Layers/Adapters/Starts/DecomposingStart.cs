namespace LowRankTraining.Layers;

/// <summary>Factors that are a part of the weight, which they leave.</summary>
internal abstract class DecomposingStart : FactorStart
{
    public override bool ChangesBase => true;

    public override void Require(string name, Tensor weight) => RequireFinite(name, weight, $"start with {nameof(FactorInit)}.{nameof(FactorInit.Kaiming)}");
}
