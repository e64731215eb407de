namespace LowRankTraining.Layers;

/// <summary>How low-rank factors enter a model.</summary>
public enum Injection
{
    /// <summary>Layer by layer the first that works of <see cref="Replace"/> and <see cref="Hook"/>; <see cref="Shadow"/> for what is not a linear module,
    /// for tied weights, and for layers whose hook the first step does not reach. A hooked weight stays in the graph until that is known, which costs its
    /// gradient once.</summary>
    Auto,

    /// <summary>A <see cref="LowRankLinear"/> takes the layer's place. The parent must be a <c>Sequential</c>, or hold the layer in a field, array, list or
    /// dictionary (a <c>ModuleList</c> or <c>ModuleDict</c> too) of type <c>Module&lt;Tensor, Tensor&gt;</c> or a base of it. A layer that stands in several
    /// places is replaced in all of them.</summary>
    Replace,

    /// <summary>A forward hook on the layer adds the factors' output. The model must run the layer by <c>call</c>; <c>forward</c> passes hooks by, which the
    /// first step refuses where no layer was reached by its hook, and the second one where some were not. Nothing is changed by a step that is
    /// refused.</summary>
    Hook,

    /// <summary>The graph stays as it is. The factors live with the optimizer and learn from the weight's own gradient, so memory for that gradient is needed;
    /// in exchange it works for every matrix, costs nothing in the forward pass, and the weight is always the merged one.</summary>
    Shadow,
}
