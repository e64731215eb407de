namespace LowRankTraining.Checkpoints;

/// <summary>One layer of an adapter as it stands in a file: a change s B A of the weight that the model came with.</summary>
/// <param name="Module">The module's name.</param>
/// <param name="A">r × n.</param>
/// <param name="B">m × r.</param>
/// <param name="Extra">What is trained beside both, by name.</param>
/// <param name="Scale">s.</param>
internal sealed record PeftLayer(string Module, Tensor A, Tensor B, IReadOnlyList<(string Name, Tensor Tensor)> Extra, double Scale)
{
    private long Rank => A.shape[0];

    /// <summary>What the file says of it beside its tensors.</summary>
    public ParameterManifest Manifest(IReadOnlyList<string> tensors) => new(
        Module, [B.shape[0], A.numel() / Rank], SafeTensorsTypes.NameOf(A.dtype),
        FormattableString.Invariant($"factors of rank {Rank}, scaled by {Scale:R}"), tensors, new Dictionary<string, long>());

    /// <summary>s (B A − B₀ A₀) = s [B, −B₀] [A; A₀] where the factors have started from a part of the weight, in no more rows than the short side
    /// has.</summary>
    public static PeftLayer Of(FactorSet set)
    {
        var (a, b) = (set.FinalA() ?? set.A.detach(), set.B.detach());
        IReadOnlyList<(string, Tensor)> extra = [.. set.Extra.Select(part => (part.Name, part.Parameter.detach()))];
        if (set.Initial is not { } initial)
            return new(set.Module, a, b, extra, set.Scale);

        var (a0, b0) = (initial.A.to(a.device), initial.B.to(b.device));
        var (left, right) = Fitted(cat([b, b0.neg()], 1), cat([a, a0], 0));
        return new(set.Module, right, left, extra, set.Scale);
    }

    /// <summary>With the shapes that the layers of PEFT have for a module: beside a convolution stand two, one with its window and one with a window of
    /// 1.</summary>
    /// <param name="module">The module that the weight belongs to, and no other one.</param>
    /// <exception cref="NotSupportedException">PEFT has no layer for it.</exception>
    public PeftLayer For(nn.Module? module) => module switch
    {
        Linear or ReparameterizedLinear => this,
        Convolution { transposed: false, groups: 1, weight: { } weight } => this with
        {
            A = A.reshape([Rank, .. weight.shape[1..]]),
            B = B.reshape([B.shape[0], Rank, .. weight.shape[2..].Select(_ => 1L)]),
        },
        _ => throw new NotSupportedException($"'{Module}' is adapted and is neither a linear layer nor a convolution of one group, or its weight stands in "
            + "other places too: PEFT has no adapter for it. Leave it out with Targets.Except, or call Finish() and save the model. Nothing was changed."),
    };

    /// <summary>What puts the values of a file, by the tensors' names in it, in the place of a session's factors: as they stand there, or with the same
    /// product where a file has more rows than the short side.</summary>
    public static Action Putting(FactorSet set, IReadOnlyDictionary<string, Tensor> file)
    {
        var parameters = PeftAdapter.Parameters(set).ToArray();
        var values = Array.ConvertAll(parameters, pair => file[pair.Name]);
        (values[1], values[0]) = Fitted(values[1].AsMatrix(), values[0].AsMatrix());
        return () =>
        {
            set.Put?.Invoke(values[0], values[1]);
            foreach (var ((_, parameter), value) in set.Put is null ? parameters.Zip(values) : [])
                parameter.copy_(value);
        };
    }

    /// <summary>Factors with the same product, of the rank that it can have at most.</summary>
    private static (Tensor B, Tensor A) Fitted(Tensor b, Tensor a)
    {
        var limit = Math.Min(a.shape[1], b.shape[0]);
        if (a.shape[0] <= limit)
            return (b, a);
        var reduced = RankReduction.Reduce(a, b, limit);
        return (reduced.B.to(b.dtype), reduced.A.to(a.dtype));
    }

    public static PeftConfig ConfigOf(IReadOnlyList<PeftLayer> layers, AdapterSession session)
    {
        var (dropout, stabilized) = (session.Settings.Dropout, session.Settings.RankStabilized);
        var rank = Usual(layers.Select(layer => layer.Rank));
        var alpha = Usual(layers.Select(layer => FactorScale.AlphaOf(layer.Scale, layer.Rank, stabilized)));

        return new PeftConfig
        {
            Rank = (int)rank,
            Alpha = alpha,
            RankPattern = Patterns(layers, layer => (int)layer.Rank, (int)rank),
            AlphaPattern = Patterns(layers, layer => FactorScale.AlphaOf(layer.Scale, layer.Rank, stabilized), alpha),
            Dropout = dropout,
            RankStabilized = stabilized,
            UsesDoRA = layers.Any(layer => layer.Extra.Any(part => part.Name == PeftAdapter.Magnitude)),
            TargetModules = [.. layers.Select(layer => layer.Module)],
        };
    }

    /// <summary>Everything in which a file differs from what a session has.</summary>
    /// <param name="file">The adapter's tensors.</param>
    /// <param name="config">Its configuration.</param>
    /// <param name="session">The session.</param>
    /// <param name="factors">Its factors.</param>
    /// <param name="problemWith">What is wrong with a tensor that is no factor of the session; null for nothing.</param>
    public static IEnumerable<string> ProblemsOf(
        SafeTensorsFile file, PeftConfig config, AdapterSession session, IReadOnlyList<FactorSet> factors, Func<string, string?> problemWith)
    {
        var expected = factors.SelectMany(set => Expected(set, session.ModuleOf(set), file)).ToDictionary(pair => pair.Name, pair => pair.Shape);
        foreach (var name in file.Names)
            if (!expected.ContainsKey(name) && problemWith(name) is { } problem)
                yield return problem;
        foreach (var (name, shape) in expected)
            if (!file.Has(name))
                yield return $"'{name}' is missing";
            else if (!file.ShapeOf(name).SequenceEqual(shape))
                yield return $"'{name}' is [{string.Join(", ", file.ShapeOf(name))}], and the session's is [{string.Join(", ", shape)}]";
            else if (!file.TypeOf(name).IsTrainable())
                yield return $"'{name}' is of dtype {file.TypeOf(name)}";

        foreach (var set in factors)
            if (ScaleOf(config, set) is var scale && Math.Abs(scale - set.Scale) > 1e-9 * Math.Abs(set.Scale))
                yield return FormattableString.Invariant($"it scales '{set.Module}' by {scale:g6}, and the session by {set.Scale:g6}");
    }

    /// <summary>The tensors that a file must have. To factors of full rank it may bring more rows: their product fits all the same.</summary>
    private static IEnumerable<(string Name, long[] Shape)> Expected(FactorSet set, nn.Module? module, SafeTensorsFile file)
    {
        var nameOfA = PeftAdapter.Parameters(set).First().Name;
        var more = set.HasFullRank && file.Has(nameOfA) && file.ShapeOf(nameOfA) is [var rows, ..] && rows > set.Rank ? rows - set.Rank : 0;
        var layer = new PeftLayer(set.Module, set.A, set.B, [], set.Scale).For(module);
        foreach (var (name, parameter) in PeftAdapter.Parameters(set))
            yield return (name, ReferenceEquals(parameter, set.A) ? [set.Rank + more, .. layer.A.shape[1..]]
                : ReferenceEquals(parameter, set.B) ? [layer.B.shape[0], set.Rank + more, .. layer.B.shape[2..]]
                : parameter.shape);
    }

    /// <summary>The layers with an unusual value, and those that the pattern of one would take for it, as "proj" takes "blocks.0.proj". The first pattern
    /// that matches counts, so the longest names come first.</summary>
    private static Dictionary<string, TValue> Patterns<TValue>(
        IReadOnlyList<PeftLayer> layers, Func<PeftLayer, TValue> valueOf, TValue usual)
        where TValue : notnull
    {
        var endings = layers.Where(layer => !valueOf(layer).Equals(usual)).Select(layer => $".{layer.Module}").ToArray();
        return layers.Where(layer => Array.Exists(endings, ending => $".{layer.Module}".EndsWith(ending, StringComparison.Ordinal)))
            .OrderByDescending(layer => layer.Module.Length).ThenBy(layer => layer.Module, StringComparer.Ordinal)
            .ToDictionary(layer => layer.Module, valueOf);
    }

    private static double ScaleOf(PeftConfig config, FactorSet set)
    {
        var rank = NamePattern.Choose(config.RankPattern, set.Weight, Matches) ?? config.Rank;
        var alpha = NamePattern.Choose(config.AlphaPattern, set.Weight, Matches) ?? config.Alpha;
        return FactorScale.Of(alpha, rank, config.RankStabilized);
    }

    /// <summary>Whether a pattern of a configuration is for a layer.</summary>
    /// <exception cref="InvalidDataException">It takes too long to tell.</exception>
    public static bool Matches(string pattern, string weight)
    {
        try
        {
            return NamePattern.Matches(pattern, weight);
        }
        catch (ArgumentException tooLong)
        {
            throw new InvalidDataException($"{PeftConfig.FileName}: {tooLong.Message}", tooLong);
        }
    }

    private static TValue Usual<TValue>(IEnumerable<TValue> values) where TValue : notnull => values.GroupBy(value => value).MaxBy(group => group.Count())!.Key;
}
