namespace LowRankTraining;

/// <summary>Looks from time to time for parameters that a model has been given after its optimizer was made: nothing trains them, and nothing would
/// tell.</summary>
/// <remarks>A look walks through the model, which takes a microsecond a parameter. So it comes at steps 1, 2, 4 and so on, then once in a hundred, and
/// earlier where parameters cease to have gradients, as replaced ones do.</remarks>
internal sealed class ModelWatch(nn.Module model, Func<Parameter, bool> isTrained)
{
    private const int Longest = 100, Earlier = 8;

    private int _interval = 1, _since;
    private long _idleBefore = long.MaxValue;

    /// <param name="idle">Parameters that had no gradient in the last step.</param>
    /// <exception cref="InvalidOperationException">The model has parameters that take gradients and are not trained.</exception>
    public void Look(long idle)
    {
        if (++_since < _interval && (idle <= _idleBefore || _since < _interval / Earlier))
            return;

        Require();
        (_interval, _since, _idleBefore) = (Math.Min(Longest, 2 * _interval), 0, idle);
    }

    private void Require()
    {
        if (Strangers(UnlistedModules.ParametersIn(model)) is { Length: > 0 } unlisted)
            throw new InvalidOperationException($"The model runs {Names(unlisted)} in the place of what it had when it was made, and lists the former still: "
                + "what runs is neither trained nor saved. Take the old module out by register_module(name, null), register the new one under its name, and "
                + "attach the strategy again; or copy the new values into the old one, which the optimizer has. Nothing was changed.");

        if (Strangers(model.named_parameters()) is { Length: > 0 } strangers)
            throw new InvalidOperationException($"Nothing trains {Names(strangers)}, which came into the model after the strategy was attached, perhaps in the "
                + "place of something else, or was frozen by the strategy and thawed since. Freeze it (requires_grad = false), give it to add_param_group, put "
                + "back what was there and copy the new values into it, or attach the strategy and make the optimizer again. Nothing was changed.");
    }

    /// <summary>Those that the loss depends on, and that are not trained.</summary>
    private (string Name, Parameter Parameter)[] Strangers(IEnumerable<(string Name, Parameter Parameter)> parameters) =>
        [.. parameters.Where(pair => !isTrained(pair.Parameter) && pair.Parameter.requires_grad && pair.Parameter.HasGradient())];

    private static string Names((string Name, Parameter Parameter)[] strangers) => strangers.Select(stranger => $"'{stranger.Name}'").Few(6);
}
