namespace LanguageModel.Tokens;

/// <summary>The letters that byte-level encodings write bytes with: printable ones stand for themselves, the others for those from U+0100 on.</summary>
/// <remarks>Source: Radford et al., the code of GPT-2.</remarks>
internal static class ByteLetters
{
    private static readonly Dictionary<char, byte> ByteOf = Make();

    /// <summary>The bytes that <paramref name="token"/> is written for.</summary>
    /// <exception cref="InvalidDataException">It has a letter that stands for no byte.</exception>
    public static byte[] Bytes(string token) =>
        [.. token.Select(letter =>
            ByteOf.TryGetValue(letter, out var value) ? value : throw new InvalidDataException($"the token '{token}' is not written in bytes."))];

    private static Dictionary<char, byte> Make()
    {
        var (letters, next) = (new Dictionary<char, byte>(), 'Ā');
        for (var value = 0; value <= byte.MaxValue; value++)
            letters[IsPrintable((char)value) ? (char)value : next++] = (byte)value;
        return letters;
    }

    private static bool IsPrintable(char letter) => letter is >= '!' and <= '~' or >= '¡' and <= '¬' or >= '®' and <= 'ÿ';
}
