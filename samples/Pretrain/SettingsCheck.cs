using System.Text.Json;
using LanguageModel;
using LanguageModel.Data;
using LanguageModel.Methods;
using LowRankTraining;

namespace Pretrain;

/// <summary>Finds what is wrong with settings before anything is done with them.</summary>
internal static class SettingsCheck
{
    /// <summary>Throws one error that names every value out of range.</summary>
    public static void Ranges(PretrainSettings settings, PretrainRequest request)
    {
        var wrong = new List<string>();
        Require(settings.Rank >= 1, $"--rank must be at least 1 (is {settings.Rank})");
        Require(settings.Steps >= 1, $"--steps must be at least 1 (is {settings.Steps})");
        Require(settings.Batch >= 1, $"--batch must be at least 1 (is {settings.Batch})");
        Require(settings.Seq >= 2, $"--seq must be at least 2 (is {settings.Seq})");
        Require(settings.Lr > 0 && double.IsFinite(settings.Lr), $"--lr must be above 0 (is {settings.Lr})");
        Require(settings.Warmup >= 0 && (settings.Warmup < settings.Steps || settings.Steps < 1),
            $"--warmup must be at least 0 and below --steps (is {settings.Warmup})");
        Require(settings.Scale is null or > 0, $"--scale must be above 0 (is {settings.Scale})");
        Require(settings.RefreshEvery is null or >= 1, $"--refresh-every must be at least 1 (is {settings.RefreshEvery})");
        Require(settings.MergeEvery is null or >= 1, $"--merge-every must be at least 1 (is {settings.MergeEvery})");
        Require(settings.WarmStart is null or >= 0, $"--warm-start must be at least 0 (is {settings.WarmStart})");
        Require(settings.WeightDecay >= 0 && double.IsFinite(settings.WeightDecay), $"--weight-decay must be at least 0 (is {settings.WeightDecay})");
        Require(settings.Clip is null or > 0, $"--clip must be above 0 (is {settings.Clip})");
        Require(Enum.TryParse<GradientFlow>(settings.Gradients, ignoreCase: true, out var flow) && Enum.IsDefined(flow),
            $"--gradients must be one of {string.Join(", ", Enum.GetNames<GradientFlow>()).ToLowerInvariant()} (is {settings.Gradients})");
        Require(settings.GradAccum >= 1, $"--grad-accum must be at least 1 (is {settings.GradAccum})");
        Require(settings.GradAccum == 1 || settings.Mix is null, "--grad-accum is for a single text: a mixture is weighed once a step");
        Require(settings.GradAccum == 1 || flow != GradientFlow.Stepped,
            "--grad-accum cannot be had with --gradients stepped, which updates weights in every backward pass");
        Require(settings.Mix is null || Mixers.Names.Contains(settings.Mix), $"--mix must be one of {string.Join(", ", Mixers.Names)} (is {settings.Mix})");
        Require(settings.Mix is null || NamedData.Parse(settings.Data) is not null, "--mix is for several sources: give each as --data NAME=PATH");
        Require(settings.Target is null
            || (settings.Mix == Mixers.Alignment && NamedData.Parse(settings.Data)?.Any(source => source.Name == settings.Target) == true),
            $"--target must be the name of a source that is mixed by {Mixers.Alignment} (is {settings.Target})");
        Require(request.EvaluateEvery is null or >= 1, $"--eval-every must be at least 1 (is {request.EvaluateEvery})");
        Require(request.SaveEvery is null or >= 1, $"--save-every must be at least 1 (is {request.SaveEvery})");

        UserException.ThrowIfAny(wrong);

        void Require(bool holds, string complaint)
        {
            if (!holds)
                wrong.Add(complaint);
        }
    }

    /// <summary>Throws when an option was given that the method has no use for.</summary>
    public static void Effects(PretrainSettings settings, IReadOnlyList<string> unasked)
    {
        var idle = new (string Name, string Option, bool IsGiven)[]
        {
            (nameof(MethodSettings.Scale), "--scale", settings.Scale is not null),
            (nameof(MethodSettings.RefreshEvery), "--refresh-every", settings.RefreshEvery is not null),
            (nameof(MethodSettings.MergeEvery), "--merge-every", settings.MergeEvery is not null),
            (nameof(MethodSettings.WarmStart), "--warm-start", settings.WarmStart is not null),
            (nameof(MethodSettings.Base), "--base", Bases.Find(settings.Base) != default),
        }.Where(choice => choice.IsGiven && unasked.Contains(choice.Name)).Select(choice => choice.Option).ToList();
        if (idle.Count > 0)
            throw new UserException(
                $"{string.Join(", ", idle)} would be without effect: '{settings.Strategy}' has no use for it. Leave it out, or take another --strategy.");
    }

    /// <summary>Throws when an option given on resuming says something else than the run's own settings.</summary>
    public static void SameRun(PretrainSettings saved, PretrainRequest request)
    {
        var (was, now) = (Values(saved), Values(request.Settings));
        var changed = request.Given
            .Select(option => (Option: option, Key: option.TrimStart('-').Replace('-', '_')))
            .Where(given => was.ContainsKey(given.Key) && was[given.Key] != now[given.Key])
            .Select(given => $"{given.Option} was {was[given.Key]}, not {now[given.Key]}")
            .ToList();
        if (changed.Count > 0)
            throw new UserException(
                $"The run in {request.Out} has other settings: {string.Join("; ", changed)}. "
                + "Leave these options out to go on with it, or start another run in another folder.");
    }

    /// <summary>Throws when the text is not the one that the run began with.</summary>
    public static void SameData(PretrainSettings saved, string hash, string source)
    {
        if (saved.DataHash != hash)
            throw new UserException(
                $"The text of {source} has changed since the run began, so it cannot go on as it would have. Restore the text, or start another run in "
                    + $"another folder.");
    }

    private static Dictionary<string, string> Values(PretrainSettings settings) =>
        JsonSerializer.SerializeToElement(settings, PretrainJson.OneLine).EnumerateObject()
            .ToDictionary(property => property.Name, property => property.Value.ToString());
}
