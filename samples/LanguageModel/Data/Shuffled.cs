using System.Text;
using System.Text.RegularExpressions;

namespace LanguageModel.Data;

/// <summary>Text that has lost its meaning: what a data mixer is to find out about.</summary>
public static partial class Shuffled
{
    /// <summary>The same characters, in random order: nothing is left but how often each occurs.</summary>
    public static string Characters(string text, ulong seed)
    {
        var characters = text.EnumerateRunes().ToArray();
        Shuffle(characters, seed);
        return characters.Aggregate(new StringBuilder(text.Length), (shuffled, character) => shuffled.Append(character.ToString())).ToString();
    }

    /// <summary>The same words, in random order, with the white space where it was: spelling is left, and no sentence.</summary>
    public static string Words(string text, ulong seed)
    {
        var words = Word().Matches(text).Select(match => match.Value).ToArray();
        Shuffle(words, seed);
        var next = 0;
        return Word().Replace(text, _ => words[next++]);
    }

    private static void Shuffle<T>(T[] items, ulong seed)
    {
        for (var last = items.Length - 1; last > 0; last--)
        {
            var other = (int)(Mixing.Mix(seed, (ulong)last) % (ulong)(last + 1));
            (items[last], items[other]) = (items[other], items[last]);
        }
    }

    [GeneratedRegex(@"\S+")]
    private static partial Regex Word();
}
