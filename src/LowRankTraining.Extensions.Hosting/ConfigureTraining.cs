using System.Text.Json.Nodes;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace LowRankTraining.Extensions.Hosting;

/// <summary>Reads the options of one name from a section, and checks them.</summary>
internal sealed class ConfigureTraining(string own, IConfiguration section, ILoggerFactory? loggers)
    : IConfigureNamedOptions<LowRankTrainingOptions>, IValidateOptions<LowRankTrainingOptions>
{
    /// <summary>The category of all messages.</summary>
    private const string Category = nameof(LowRankTraining);

    private static readonly string[] OwnKeys =
    [
        nameof(LowRankTrainingOptions.LearningRate), nameof(LowRankTrainingOptions.WeightDecay), nameof(LowRankTrainingOptions.Schedule),
        nameof(LowRankTrainingOptions.Targets), nameof(LowRankTrainingOptions.Except), nameof(LowRankTrainingOptions.Gradients),
    ];

    private string Path => ConfigurationText.PathOf(section);

    public void Configure(LowRankTrainingOptions options) => Configure(Options.DefaultName, options);

    public void Configure(string? name, LowRankTrainingOptions options)
    {
        if (name != own)
            return;

        List<string> failures = [];
        var text = ConfigurationText.Of(section, failures);
        var beside = new JsonObject(((text as JsonObject) ?? []).Where(key => OwnKeys.Contains(key.Key, StringComparer.OrdinalIgnoreCase))
            .Select(key => KeyValuePair.Create(key.Key, key.Value?.DeepClone())));
        if (Read<LowRankTrainingOptions>(beside, failures) is { } read)
            (options.LearningRate, options.WeightDecay, options.Schedule, options.Targets, options.Except, options.Gradients) =
                (read.LearningRate, read.WeightDecay, read.Schedule, read.Targets, read.Except, read.Gradients);
        options.Method = Read<ILowRankStrategy>(text, failures, OwnKeys)?.WithLogger(loggers?.CreateLogger(Category));

        if (failures.Count > 0)
            throw new OptionsValidationException(own, typeof(LowRankTrainingOptions), failures);
    }

    public ValidateOptionsResult Validate(string? name, LowRankTrainingOptions options)
    {
        if (name != own)
            return ValidateOptionsResult.Skip;

        List<string> failures = [];
        Require(options.LearningRate >= 0 && double.IsFinite(options.LearningRate), $"LearningRate is {options.LearningRate}");
        Require(options.WeightDecay >= 0 && double.IsFinite(options.WeightDecay), $"WeightDecay is {options.WeightDecay}");
        foreach (var part in new object?[] { options.Method, options.Schedule }.OfType<IPart>())
            failures.AddRange(Checks.Of(part).Select(failure => Path.Length == 0 ? failure : $"{Path}: {failure}"));
        return failures.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(failures);

        void Require(bool holds, FormattableString what)
        {
            if (!holds)
                failures.Add($"{Path}:{FormattableString.Invariant(what)}: it must be a number of at least 0.");
        }
    }

    private TPart? Read<TPart>(JsonNode? text, List<string> failures, params string[] neighbors) where TPart : class
    {
        try
        {
            return LowRankStrategies.Parse<TPart>(text, Path, neighbors);
        }
        catch (OptionsValidationException exception)
        {
            failures.AddRange(exception.Failures);
            return null;
        }
    }
}
