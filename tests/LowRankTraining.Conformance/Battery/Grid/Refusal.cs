namespace LowRankTraining.Conformance.Battery.Grid;

/// <summary>Combinations that cannot work, and what the library says about them.</summary>
/// <param name="Styles">Ways to write a model.</param>
/// <param name="Methods">Methods that none of these models can be trained by as it is.</param>
/// <param name="Reason">Words of the refusal that say why.</param>
/// <param name="Advice">Words of it that say what works.</param>
/// <param name="FollowAdvice">Puts a method to work on such a model as the advice says.</param>
internal sealed record Refusal(string[] Styles, string[] Methods, string Reason, string Advice, Func<Style, Run> FollowAdvice)
{
    /// <value>Whether only a forward pass can tell, so that the first step is refused, and not the attachment.</value>
    public bool ComesWithTheFirstStep { get; init; }

    public bool Holds(string style, string method) => Styles.Contains(style) && Methods.Contains(method);
}
