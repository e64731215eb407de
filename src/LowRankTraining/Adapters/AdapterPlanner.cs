using LowRankTraining.Diagnostics;
using LowRankTraining.Strategies;
using Microsoft.Extensions.Logging;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Adapters;

/// <summary>Decides what becomes of every parameter of a model, and refuses what cannot be done before anything is changed.</summary>
internal static class AdapterPlanner
{
    /// <summary>The matrices that ReLoRA's scripts adapt: everything linear but the output head.</summary>
    private static readonly Targets DefaultTargets = Targets.AllLinear().Except("embed", "lm_head");

    public static AdapterSession Attach(nn.Module model, Targets? targets, AdapterRecipe recipe, WeightSpaceOptions options)
    {
        targets ??= DefaultTargets;
        var parameters = NamedParameter.Of(model);
        targets.RequireAny(parameters);

        var chosen = parameters.Where(targets.Includes).ToArray();
        RefuseAdapted(chosen);

        var sites = Site.Find(model, chosen);
        var ways = sites.Select(site => (site, choice: site.Choose(options.Injection))).ToArray();
        RefuseImpossible(ways.Where(way => way.choice.Way is null).Select(way => $"{way.site.Name} ({way.choice.Reason})"), options.Injection);
        var notes = CheckRanks(sites, options, recipe.Strategy);

        var adapters = ways.Select(way => Make(way.site, way.choice.Way!.Value, recipe, way.choice.Reason, options.Injection == Injection.Auto)).ToArray();
        foreach (var adapter in adapters)
            adapter.Install();

        var others = parameters.Except(chosen).Select(other => other.Parameter).ToArray();
        var frozen = options.TrainOthers ? [] : others;
        foreach (var parameter in frozen)
            parameter.requires_grad = false;

        return new AdapterSession(recipe, options, adapters, Plan(parameters, adapters, recipe, options, notes), frozen);
    }

    private static Adapter Make(Site site, Injection way, AdapterRecipe recipe, string reason, bool auto) => way switch
    {
        Injection.Replace => new ReplacedLinear(site, recipe, reason),
        Injection.Hook => new HookedLinear(site, recipe, reason, mayShadow: auto),
        _ => new ShadowAdapter(site, recipe, reason),
    };

    private static ParameterPlan[] Plan(
        IReadOnlyList<NamedParameter> parameters, Adapter[] adapters, AdapterRecipe recipe, WeightSpaceOptions options, Dictionary<string, string> notes)
    {
        var adapted = adapters.ToDictionary(adapter => adapter.Name);
        return [.. parameters.SelectMany(parameter => adapted.TryGetValue(parameter.Name, out var adapter)
            ? adapter.Plans.Select(plan => plan with { Note = notes.GetValueOrDefault(adapter.Name) })
            : options.TrainOthers ? [new ParameterPlan(parameter.Name, parameter.Parameter, recipe.Adam)] : [])];
    }

    private static void RefuseAdapted(NamedParameter[] chosen)
    {
        var adapted = chosen.Select(candidate => candidate.Name).Where(name => name.EndsWith(LowRankFactors.A, StringComparison.Ordinal)).ToArray();
        if (adapted.Length > 0)
            throw new ArgumentException($"The model holds low-rank factors already ({string.Join(", ", adapted.Take(4))}). Call Finish() on the session that put them there, then attach again. Nothing was changed.");
    }

    private static void RefuseImpossible(IEnumerable<string> refused, Injection wanted)
    {
        var names = refused.ToArray();
        if (names.Length > 0)
            throw new ArgumentException(
                $"Injection.{wanted} does not work for {names.Length} of the matrices: {string.Join("; ", names.Take(8))}{(names.Length > 8 ? "; ..." : "")}. "
                + "Use Injection.Auto or Injection.Shadow, or leave them out with Targets.Except. Nothing was changed.");
    }

    private static Dictionary<string, string> CheckRanks(IReadOnlyList<Site> sites, WeightSpaceOptions options, string strategy)
    {
        var notes = sites.Where(site => options.Rank > site.Limit).ToDictionary(site => site.Name, site => $"rank {options.Rank} lowered to {site.Limit}, the short side");
        var text = string.Join("; ", notes.Take(8).Select(note => $"{note.Key}: {note.Value}"));

        if (notes.Count > 0 && options.Strict)
            throw new ArgumentException($"Under Strict no rank may be above the short side of its matrix. Lower Rank, or leave these matrices out with Targets.Except: {text}. Nothing was changed.");
        if (notes.Count > 0)
            options.Logger?.RankLowered(strategy, notes.Count, text);
        return notes;
    }
}
