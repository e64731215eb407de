namespace LowRankTraining.Layers;

/// <summary>What factors start from. Whatever that is, the layer starts as the one that it was made from.</summary>
public enum FactorInit
{
    /// <summary>A uniform in ±1/√n, B zero (loralib, PEFT).</summary>
    Kaiming,

    /// <summary>A normal with standard deviation 1/r, B zero (PEFT).</summary>
    Gaussian,

    /// <summary>The r leading singular triplets, which leave the weight: A = √(Σ_r/s) V_rᵀ, B = U_r √(Σ_r/s), W
    /// ← W − s B A. Meng et al., arXiv 2404.02948.</summary>
    PiSSA,

    /// <summary>The first r columns and rows of W = Q R: B = Q_r, A = R_r, W ← W − s B A. Büyükakyüz, arXiv 2406.01775.</summary>
    OLoRA,

    /// <summary>The leading singular vectors of the loss's gradient, so that the first step is near to that of full training; given by
    /// <see cref="AdapterSession.Initialize"/>, before which nothing can be trained. Wang, Yu and Li, arXiv 2407.05000.</summary>
    LoRAGA,
}
