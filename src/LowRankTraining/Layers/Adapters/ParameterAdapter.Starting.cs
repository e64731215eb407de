using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Layers;

internal abstract partial class ParameterAdapter
{
    private bool _hasStart = recipe.Init != FactorInit.LoRAGA;

    /// <value>The factors that were taken out of the weight at the start, or null where nothing was.</value>
    public InitialFactors? Initial { get; private set; }

    public virtual FactorSet Factors =>
        new(Name, A, B, Recipe.Scale) { FinalA = FinalA, Base = Weight, LeavesBase = Recipe.Init.ChangesBase(), Initial = Initial };

    /// <value>Whether the factors still have to be found from a gradient. The values tell, not what was called: they may have come from a checkpoint.</value>
    public bool AwaitsGradient => !(_hasStart = _hasStart || HasProduct);

    /// <summary>The factors' start for a gradient of the weight, without changing anything.</summary>
    public (Tensor A, Tensor B) StartFor(Tensor gradient) => FactorStart.FromGradient(gradient, A.shape[0], Recipe.GradientGamma, Recipe.DrawKey(Name, 0));

    /// <summary>Starts from these factors, which leave the weight.</summary>
    public void StartWith(Tensor a, Tensor b)
    {
        SetFactors(a, b);
        Initial?.Dispose();
        Initial = InitialFactors.TakeOut(Weight, A, B, Recipe.Scale);
    }

    /// <summary>Gives the factors the values that they start with. The weight is not changed yet.</summary>
    protected void Start()
    {
        if (Recipe.Init is FactorInit.Kaiming or FactorInit.LoRAGA)
            return;

        using var scope = NewDisposeScope();
        var (a, b) = FactorStart.FromWeight(Recipe.Init, Weight.detach(), A.shape[0], Recipe.Scale, Recipe.DrawKey(Name, 0));
        SetFactors(a, b);
    }

    /// <summary>Takes the factors' start out of the weight.</summary>
    protected void LeaveBase()
    {
        if (Recipe.Init.Decomposes())
            Initial = InitialFactors.TakeOut(Weight, A, B, Recipe.Scale);
    }

    private void SetFactors(Tensor a, Tensor b)
    {
        using var guard = no_grad();
        A.copy_(a);
        B.copy_(b);
    }
}
