namespace LowRankTraining.Layers;

/// <summary>Decides what becomes of every parameter of a model, and refuses what cannot be done before anything is changed.</summary>
internal static class AdapterPlanner
{
    /// <summary>The matrices that ReLoRA's scripts adapt: everything linear but the output head.</summary>
    public static readonly Targets DefaultTargets = Targets.AllLinear().ExceptTablesAndHead();

    public static AdapterSession Attach(nn.Module model, Targets? targets, AdapterMethod method, GradientFlow gradients)
    {
        var settings = method.Settings;
        targets = Targets.Of(targets, DefaultTargets)!;
        var parameters = NamedParameter.Of(model);
        var candidates = method.AdaptsFrozen ? parameters : [.. parameters.Where(candidate => !candidate.IsFrozen)];
        ParameterOptions.RequireUse(settings.Own, parameters, targets.Includes);
        var wanted = Unfrozen(Choose(model, candidates, targets), settings);
        RefuseOtherSession(model);
        NamedParameter.RequireTrainable(parameters.Where(candidate => wanted.Contains(candidate) || method.Trains(candidate)));
        var found = Site.Find(model, wanted);
        var asked = found.Zip(method.RanksFor(found), (site, rank) => (Site: site, Rank: rank)).ToLookup(matrix => method.Spares(matrix.Site, matrix.Rank));
        var (sites, ranks) = (asked[false].Select(matrix => matrix.Site).ToArray(), asked[false].Select(matrix => matrix.Rank).ToArray());
        string[] spared = [.. asked[true].Select(matrix => matrix.Site.Name)];
        var chosen = Array.FindAll(wanted, candidate => !spared.Contains(candidate.Name));
        RequireStatesOfOthers(chosen, settings);
        var choices = sites.Select(site => site.Choose(settings.Injection, method.Ways)).ToArray();
        if (sites.Zip(choices).Where(pair => pair.Second.Way is null).Select(pair => (pair.First, pair.Second.Reason)).ToArray() is { Length: > 0 } refused)
            throw new ArgumentException(Refusal.Of(refused, sites.Length, settings.Injection, method));
        method.Check(sites);
        var size = parameters.Sum(parameter => parameter.Parameter.numel());
        string[] names = [.. model.named_parameters().Select(pair => pair.name)];
        var notes = CheckRanks(sites, ranks, settings);
        foreach (var (name, note) in method.NotesOn([.. sites.Zip(choices, (site, choice) => (site, choice.Way!.Value))]))
            notes[name] = notes.TryGetValue(name, out var earlier) ? $"{earlier}; {note}" : note;

        var adapters = Adapt(method, [.. sites.Select((site, index) => new AdapterRequest(
            site, ranks[index], choices[index].Way!.Value, choices[index].Reason))]);
        if (gradients == GradientFlow.Projected)
            TakeGradients(adapters, settings);
        foreach (var adapter in adapters)
            adapter.Install();
        NoteCosts(adapters, notes, settings);
        if (spared.Length > 0)
            settings.Logger?.SmallSpared(settings.Strategy, spared.Length, string.Join(", ", spared.Take(8)));

        var unused = targets.Unused(parameters);
        method.Logger?.Covered(method.Strategy, TargetCoverage.For(parameters, chosen.Contains), unused);
        var frozen = parameters.Except(chosen)
            .Where(other => !other.IsFrozen && (!method.Trains(other) || settings.OwnOf(other.Names) is { Frozen: true })).ToArray();
        foreach (var other in frozen)
            other.Parameter.requires_grad = false;

        var session = new AdapterSession(
            method, model, adapters, Others(parameters, chosen, method), names, notes,
            [.. frozen.Select(other => other.Name)],
            Ties.Of(model, parameters))
        {
            Spared = spared,
            LeftOut = [.. parameters.Where(other => other.IsMatrix).Except(chosen)
                .Select(other => (other.Name, spared.Contains(other.Name) ? AdapterSession.WhySpared : WhyLeftOut(other, targets, method)))],
            Unused = unused,
        };
        var trained = session.Parameters.Where(plan => plan.Parameter.requires_grad).Sum(plan => plan.Parameter.numel());
        settings.Logger?.Adapted(settings.Strategy, adapters.Length, trained, size, (double)trained / size,
            string.Join(Environment.NewLine, session.Layers));
        return session;
    }

    /// <summary>The targets among some parameters of a model.</summary>
    /// <exception cref="ArgumentException">There are none, or they are adapted already. Nothing was changed.</exception>
    public static NamedParameter[] Choose(nn.Module model, IReadOnlyList<NamedParameter> parameters, Targets targets)
    {
        var chosen = parameters.Where(targets.Includes).ToArray();
        RefuseAdapted(model, chosen);
        targets.RequireAny(parameters);
        return chosen;
    }

    /// <summary>Without those that a row freezes.</summary>
    /// <exception cref="ArgumentException">None is left. Nothing was changed.</exception>
    private static NamedParameter[] Unfrozen(NamedParameter[] chosen, AdapterSettings settings)
    {
        var unfrozen = Array.FindAll(chosen, candidate => settings.OwnOf(candidate.Names) is not { Frozen: true });
        if (unfrozen.Length == 0)
            throw new ArgumentException("Overrides freezes every matrix that the targets choose, so that none is adapted. Nothing was changed.");
        return unfrozen;
    }

    /// <exception cref="ArgumentException">A row says how moments are stored that are those of factors. Nothing was changed.</exception>
    private static void RequireStatesOfOthers(NamedParameter[] chosen, AdapterSettings settings)
    {
        if (Array.Find(chosen, candidate => settings.OwnOf(candidate.Names)?.States is not null) is { } adapted)
            throw new ArgumentException($"Overrides for '{settings.OwnOf(adapted.Names)!.Pattern}' gives States, and '{adapted.Name}' is adapted: the moments "
                + $"of factors are stored as {settings.Strategy}.States says. Give it for what is not adapted alone. Nothing was changed.");
    }

    private static string WhyLeftOut(NamedParameter other, Targets targets, AdapterMethod method) =>
        method.Settings.OwnOf(other.Names) is { Frozen: true } own ? $"frozen by Overrides for '{own.Pattern}'"
        : other.IsOnlyEmbedding ? "the table of an embedding"
        : !targets.Includes(other) ? $"not matched by the targets, {targets}"
        : $"frozen, and {method.Strategy} changes weights that are trained only";

    /// <summary>Lets shadowed weights have the gradients of their parts as they arise: those of all other ways in are formed in no other way.</summary>
    /// <exception cref="InvalidOperationException">Another session takes them. Nothing was changed.</exception>
    private static void TakeGradients(Adapter[] adapters, AdapterSettings settings)
    {
        try
        {
            foreach (var adapter in adapters)
                adapter.Injector.TakeGradient();
        }
        catch
        {
            foreach (var adapter in adapters)
                adapter.Injector.LeaveGradient();
            throw;
        }

        var held = adapters.Where(adapter => adapter.Injector.GradientNote is not null).ToArray();
        if (held.Length > 0)
            settings.Logger?.GradientsHeld(
                settings.Strategy, held.Length, string.Join("; ", held.Take(8).Select(one => $"{one.Name} ({one.Injector.GradientNote})")));
    }

    /// <summary>The adapters, of which none is in the model yet. A layer freezes the weight that it is made for; if one cannot be made, all are as they
    /// were.</summary>
    private static Adapter[] Adapt(AdapterMethod method, AdapterRequest[] requests)
    {
        try
        {
            return Array.ConvertAll(requests, request => method.Adapt(request));
        }
        catch
        {
            foreach (var request in requests)
                request.Site.Weight.requires_grad = !request.Site.WasFrozen;
            throw;
        }
    }

    /// <summary>What is not adapted. It is trained where it takes a gradient, also what is frozen by the method and thawed by the user; numbers that cannot be
    /// trained stay frozen.</summary>
    private static IEnumerable<ParameterPlan> Others(IEnumerable<NamedParameter> parameters, NamedParameter[] chosen, AdapterMethod method) =>
        parameters.Except(chosen).Where(other => other.Parameter.dtype.IsTrainable()).Select(method.Settings.PlanOf);

    /// <summary>Layers that are adapted already, by another session or for good. Factors that do not train yet, as in a warm start, are found too.</summary>
    private static void RefuseAdapted(nn.Module model, NamedParameter[] chosen)
    {
        var adapted = ParameterPlace.ModulesOf(model).Where(pair => LowRankFactors.AreIn(pair.Module))
            .Where(pair => chosen.Length == 0 || chosen.Any(candidate => candidate.Places.Any(place => place.Module == pair.Module)))
            .DistinctBy(pair => pair.Module).ToArray();
        if (adapted.Length == 0)
            return;

        var staying = adapted.Any(pair => pair.Module is ReparameterizedLinear { HasPlainForm: false });
        throw new ArgumentException($"The model holds low-rank factors already ({adapted.Select(pair => $"'{pair.Path}'").Few(4)}). "
            + "Call Finish() on the session that put them there, then attach again. "
            + (staying ? "Layers with an activation between their factors, as those of CoLA, stay in a finished model: "
            + "leave them out with Targets.Except, or train the model by a method that leaves layers as they are, such as GaLore. " : "")
            + "Nothing was changed.");
    }

    /// <summary>What a session does not adapt it trains or freezes, the factors of another one too.</summary>
    private static void RefuseOtherSession(nn.Module model)
    {
        var adapted = ParameterPlace.ModulesOf(model)
            .Where(pair => pair.Module is Linear ? LowRankFactors.AreIn(pair.Module) : pair.Module is ReparameterizedLinear { IsInSession: true })
            .DistinctBy(pair => pair.Module).ToArray();
        if (adapted.Length > 0)
            throw new ArgumentException($"Another session is at work on {adapted.Select(pair => $"'{pair.Path}'").Few(4)} of the model, and this one "
                + "would train or freeze its factors as well. Attach each to a part of the model by itself, such as model.encoder and model.decoder, or call "
                + "Finish() on the other one first. Ranks of their own for some matrices go without a second session, by Overrides. Nothing was changed.");
    }

    private static Dictionary<string, string> CheckRanks(IReadOnlyList<Site> sites, IReadOnlyList<long> ranks, AdapterSettings settings)
    {
        var notes = sites.Zip(ranks).Where(pair => pair.Second > pair.First.Limit)
            .ToDictionary(pair => pair.First.Name, pair => $"rank {pair.Second} lowered to {pair.First.Limit}, the short side");
        var text = string.Join("; ", notes.Take(8).Select(note => $"{note.Key}: {note.Value}"));

        if (notes.Count > 0 && settings.Strict)
            throw new ArgumentException("Under Strict no rank may be above the short side of its matrix. "
                + $"Lower Rank, or leave these matrices out with Targets.Except: {text}. Nothing was changed.");
        if (notes.Count > 0)
            settings.Logger?.RankLowered(settings.Strategy, notes.Count, text);
        return notes;
    }

    /// <summary>Says which matrices are so small that factors of this rank take more state than AdamW would for the weight.</summary>
    private static void NoteCosts(Adapter[] adapters, Dictionary<string, string> notes, AdapterSettings settings)
    {
        var costly = adapters.Select(adapter => (adapter.Name, Share: ShareOfAdamW(adapter))).Where(pair => pair.Share > 1).ToArray();
        foreach (var (name, share) in costly)
            notes[name] = (notes.TryGetValue(name, out var earlier) ? $"{earlier}; " : "")
                + FormattableString.Invariant($"{100 * share:0} % of AdamW's state for the weight");
        if (costly.Length > 0)
            settings.Logger?.FactorsAboveAdamW(settings.Strategy, costly.Length, string.Join(", ", costly.Take(8).Select(matrix => matrix.Name)));
    }

    private static double ShareOfAdamW(Adapter adapter) =>
        (double)adapter.Plans.Sum(plan => plan.Rule.BytesFor(plan.Shape)) / AdamRule.BytesOfAdamW(adapter.Site.Weight.numel());
}
