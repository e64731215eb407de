namespace LanguageModel.Data;

/// <summary>The tokens of a text, one after another, in as few bytes as their numbers take.</summary>
public sealed class TokenSequence
{
    private readonly byte[]? bytes;
    private readonly ushort[] numbers;

    private TokenSequence(byte[]? bytes, ushort[] numbers) => (this.bytes, this.numbers) = (bytes, numbers);

    /// <value>Number of tokens.</value>
    public int Length => bytes?.Length ?? numbers.Length;

    /// <value>What a token is called in messages.</value>
    public string Unit => bytes is null ? "tokens" : "bytes";

    /// <value>The token at a place.</value>
    public long this[int place] => bytes?[place] ?? (long)numbers[place];

    /// <summary>A text whose bytes are its tokens.</summary>
    public static implicit operator TokenSequence(byte[] bytes) => FromBytes(bytes);

    /// <summary>A text whose bytes are its tokens.</summary>
    public static TokenSequence FromBytes(byte[] bytes) => new(bytes, []);

    /// <summary>Tokens by their numbers, below 65,536.</summary>
    public static TokenSequence FromNumbers(IEnumerable<int> numbers) => new(null, [.. numbers.Select(number => checked((ushort)number))]);
}
