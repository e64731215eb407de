namespace LanguageModel.Methods;

/// <summary>What methods have in common.</summary>
public enum MethodFamily
{
    /// <summary>Every parameter with its own moments.</summary>
    FullRank,

    /// <summary>Steps made of the gradient, most of them in a subspace of it.</summary>
    Gradient,

    /// <summary>Factors beside the weights.</summary>
    Beside,

    /// <summary>Factors in the place of the weights.</summary>
    Instead,
}

/// <summary>Which family a method is of, and what it is called.</summary>
public static class MethodFamilies
{
    private static readonly string[] Beside = ["relora", "relora-warm", "relora-decreasing", "lora", "prilora", "switchlora", "dora"];
    private static readonly string[] Instead = ["sltrain", "spectron", "factorized", "cola", "inrank", "welore"];

    /// <summary>The family of <paramref name="method"/>.</summary>
    public static MethodFamily Family(this Method method) =>
        method.Name == "adamw" ? MethodFamily.FullRank
        : Beside.Contains(method.Name) ? MethodFamily.Beside
        : Instead.Contains(method.Name) ? MethodFamily.Instead
        : MethodFamily.Gradient;

    /// <summary>What <paramref name="family"/> is called.</summary>
    public static string Title(this MethodFamily family) => family switch
    {
        MethodFamily.FullRank => "Full rank",
        MethodFamily.Gradient => "In gradient space",
        MethodFamily.Beside => "Beside the weights",
        _ => "In the place of the weights",
    };
}
