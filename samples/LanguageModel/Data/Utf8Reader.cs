using System.Text;

namespace LanguageModel.Data;

/// <summary>Reads a text file, and ends where it is none: a letter of another encoding would be read as a sign for what is not known, and be learned.</summary>
/// <remarks>UTF-8; UTF-16 and UTF-32 where the file begins with their mark.</remarks>
public sealed class Utf8Reader : StreamReader
{
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly string path;

    /// <summary>Opens a file.</summary>
    public Utf8Reader(string path) : base(path, Strict, detectEncodingFromByteOrderMarks: true) => this.path = path;

    /// <inheritdoc/>
    /// <exception cref="UserException">It is no text in UTF-8.</exception>
    public override int Read()
    {
        try
        {
            return base.Read();
        }
        catch (DecoderFallbackException other)
        {
            throw NoText(other);
        }
    }

    /// <inheritdoc/>
    /// <exception cref="UserException">It is no text in UTF-8.</exception>
    public override int Peek()
    {
        try
        {
            return base.Peek();
        }
        catch (DecoderFallbackException other)
        {
            throw NoText(other);
        }
    }

    /// <inheritdoc/>
    /// <exception cref="UserException">It is no text in UTF-8.</exception>
    public override string? ReadLine()
    {
        try
        {
            return base.ReadLine();
        }
        catch (DecoderFallbackException other)
        {
            throw NoText(other);
        }
    }

    private UserException NoText(DecoderFallbackException other) =>
        new($"{path} is no text in UTF-8: it holds {string.Join(" ", (other.BytesUnknown ?? []).Select(unknown => $"0x{unknown:X2}"))}. "
            + "Where it is a text, save it as UTF-8 first (on Unix iconv -f latin1 -t utf-8).");
}
