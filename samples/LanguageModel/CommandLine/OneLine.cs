using System.Text.Json;

namespace LanguageModel.CommandLine;

/// <summary>What went wrong, in one line.</summary>
public static class OneLine
{
    /// <summary>The first line of what <paramref name="failure"/> says: libtorch goes on with the names of its own functions.</summary>
    public static string Of(Exception failure)
    {
        var text = failure switch
        {
            OutOfMemoryException => "There is not enough memory.",
            AggregateException { InnerExceptions: [var only] } => Of(only),
            _ => failure.Message,
        };
        return text.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) is [var first, ..] ? first : failure.GetType().Name;
    }

    /// <summary>Why a text is no JSON, without the parser's count of lines, which begins at 0.</summary>
    public static string Of(JsonException broken) => broken.Message.Split(" LineNumber:")[0].TrimEnd('.');

    /// <summary>Whether <paramref name="failure"/> is of a kind that asks something of the user or the machine, and not a fault of the program.</summary>
    public static bool Suffices(Exception failure) => failure
        is not (NullReferenceException or IndexOutOfRangeException or InvalidCastException or ObjectDisposedException or ArgumentNullException);
}
