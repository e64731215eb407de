using Quickenshtein;

namespace LanguageModel.CommandLine;

/// <summary>Guesses what somebody meant who wrote something else.</summary>
public static class Nearest
{
    /// <summary><c> Did you mean rank?</c>, with a space before it; empty where no candidate is near.</summary>
    /// <param name="word">What was written.</param>
    /// <param name="candidates">What might have been meant.</param>
    public static string DidYouMean(string word, IEnumerable<string> candidates)
    {
        var near = candidates.Select(candidate => (candidate, Distance: Levenshtein.GetDistance(word.ToLowerInvariant(), candidate.ToLowerInvariant())))
            .Where(entry => entry.Distance <= Math.Max(2, word.Length / 3))
            .OrderBy(entry => entry.Distance)
            .Select(entry => entry.candidate)
            .Take(2)
            .ToList();
        return near.Count == 0 ? "" : $" Did you mean {string.Join(" or ", near)}?";
    }
}
