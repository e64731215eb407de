using System.Globalization;

namespace LowRankTraining.Mixing;

/// <summary>Messages of data mixers. Event ids 40 to 59.</summary>
internal static partial class MixerLog
{
    /// <summary>Tells the new mixture, its entropy, and what the sources' rewards are on average.</summary>
    public static void MixtureMoved(this ILogger logger, long update, DataMixer mixer)
    {
        if (!logger.IsEnabled(LogLevel.Debug))
            return;

        var mixture = mixer.Mixture;
        logger.MixtureMoved(update, string.Join(", ", mixture.Select(Describe)), mixture.Sum(Entropy));
    }

    [LoggerMessage(40, LogLevel.Debug, "Mixture after {Update} updates: {Mixture}; entropy {Entropy:F3} nats")]
    private static partial void MixtureMoved(this ILogger logger, long update, string mixture, double entropy);

    private static string Describe(SourceShare share) =>
        string.Create(CultureInfo.InvariantCulture, $"{share.Source} {share.Probability:F3} (reward {Reward(share)}, {share.Draws} drawn)");

    private static string Reward(SourceShare share) => share.Reward?.ToString("F3", CultureInfo.InvariantCulture) ?? "–";

    /// <summary>−p ln p.</summary>
    private static double Entropy(SourceShare share) => share.Probability > 0 ? -share.Probability * Math.Log(share.Probability) : 0;
}
