using LanguageModel;
using LanguageModel.CommandLine;
using LanguageModel.Methods;
using LanguageModel.Model;
using LowRankTraining;
using LowRankTraining.Schedules;
using LowRankTraining.Strategies;
using Microsoft.Extensions.Options;
using static TorchSharp.torch;

namespace FineTune.Training;

/// <summary>Puts any method of the library to work on a pretrained model, by its name.</summary>
internal static class FineTuneMethod
{
    /// <summary>Every parameter, by TorchSharp's own AdamW: what the others are measured against.</summary>
    public const string Plain = "adamw";

    private const double UsualForAdapters = 2e-4, UsualForWeights = 5e-5;

    /// <summary>Methods whose factors know nothing of the weights that they replace.</summary>
    private static readonly string[] FromScratch = ["cola", "inrank", "sltrain"];

    /// <summary>The method that the settings name; null for <see cref="Plain"/>.</summary>
    /// <exception cref="UserException">There is no such method, an option of it is wrong, or it is of no use here.</exception>
    public static ILowRankStrategy? Of(FineTuneSettings settings)
    {
        try
        {
            var method = settings.Method == Plain ? null : Create(settings);
            if (method is IPart part)
                Checks.Require(part);
            return method;
        }
        catch (Exception refusal) when (refusal is OptionsValidationException or FormatException)
        {
            throw new UserException($"--method: {refusal.Message}");
        }
    }

    /// <summary>The optimizer and its schedule for a run of <paramref name="steps"/> steps.</summary>
    /// <exception cref="UserException">The method refuses the model.</exception>
    public static AttachedMethod Attach(CausalLanguageModel model, ILowRankStrategy? method, FineTuneSettings settings, long steps)
    {
        var schedule = new CosineSchedule { TotalSteps = steps, Warmup = (long)(settings.Warmup * steps) };
        if (method is null)
            return new(model, optim.AdamW(model.named_parameters(), settings.Lr ?? UsualForWeights, weight_decay: settings.WeightDecay), schedule);

        try
        {
            var rate = settings.Lr ?? (method is WeightSpaceMethod ? UsualForAdapters : UsualForWeights);
            return new(model, method.Attach(model).CreateOptimizer(rate, settings.WeightDecay), schedule);
        }
        catch (Exception refusal) when (refusal is OptionsValidationException or ArgumentException)
        {
            throw new UserException(refusal.Message);
        }
    }

    private static ILowRankStrategy Create(FineTuneSettings settings)
    {
        var method = LowRankStrategies.Parse(settings.Method);
        if (FromScratch.Contains(method.Name))
            throw new UserException($"{method.Name} trains from scratch: what the model has learned would be lost. "
                + "Choose a method that starts from the weights.");

        var (rank, alpha, seed, log) = (settings.Rank, settings.Alpha, (ulong)settings.Seed, new Warnings());
        return settings.HasMethodInFull ? method : method switch
        {
            // As in PEFT, nothing but the factors is trained, so that they are all there is to save.
            WeightSpaceMethod beside => beside with { Rank = rank, Alpha = alpha ?? beside.Alpha, TrainOthers = false, Seed = seed, Logger = log },
            GradientSpaceMethod inside => inside with { Rank = rank, Scale = alpha ?? inside.Scale, Seed = seed, Logger = log },
            UpdateMethod whole => whole with { Seed = seed, Logger = log },
            _ => method,
        };
    }
}
