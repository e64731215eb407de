using System.Security.Cryptography;
using System.Text;

namespace LanguageModel.Data;

/// <summary>A text as byte tokens, split into a part to train on and a part to validate on.</summary>
/// <remarks>
/// <para>The unit of the split is the document. Documents are ordered by the hash of their text; the first of them, up to
/// <see cref="ValidationShare"/> of all bytes, are for validation, the rest, in their own order, for training. So the split depends on the documents only, a
/// document that occurs twice is kept once, and no document is in both parts.</para>
/// </remarks>
public sealed record TextCorpus
{
    /// <summary>Share of the text that is held back for validation.</summary>
    public const double ValidationShare = 0.015;

    /// <summary>Ends a document; a byte that UTF-8 never uses.</summary>
    public const byte EndOfDocument = 0xFF;

    /// <summary>Number of tokens: every byte is one.</summary>
    public const int Vocabulary = 256;

    /// <value>Where the text came from, in words.</value>
    public required string Source { get; init; }

    /// <value>The part to train on.</value>
    public required byte[] Training { get; init; }

    /// <value>The part to validate on.</value>
    public required byte[] Validation { get; init; }

    /// <value>Hash of both parts: the same text has the same.</value>
    public string Hash => Convert.ToHexStringLower(SHA256.HashData([.. SHA256.HashData(Training), .. SHA256.HashData(Validation)]));

    /// <summary>Reads the files and folders in <paramref name="paths"/>, or the API documentation of the .NET SDK when there are none.</summary>
    /// <exception cref="UserException">Nothing there to read; the message says what to give instead.</exception>
    public static TextCorpus Load(IReadOnlyList<string> paths)
    {
        if (paths.Count > 0)
            return Split(string.Join(", ", paths), TextFiles.Documents(paths));

        var (title, files) = ApiDocumentation.Find();
        return Split(title, ApiDocumentation.Documents(files));
    }

    /// <summary>Splits <paramref name="documents"/>.</summary>
    /// <exception cref="UserException">Fewer than two different documents, or more text than an array can hold.</exception>
    public static TextCorpus Split(string source, IEnumerable<string> documents)
    {
        var distinct = new Dictionary<Int128, byte[]>();
        foreach (var document in documents)
        {
            var bytes = Encoding.UTF8.GetBytes(document);
            distinct.TryAdd(Identity(bytes), bytes);
        }

        if (distinct.Count < 2)
            throw new UserException($"There is too little text in {source}: a few kilobytes are needed to train on one part and validate on another.");

        var wanted = ValidationShare * distinct.Values.Sum(bytes => (long)bytes.Length);
        var heldBack = new HashSet<Int128>();
        foreach (var (hash, bytes) in distinct.OrderBy(entry => entry.Key))
        {
            heldBack.Add(hash);
            if ((wanted -= bytes.Length) <= 0)
                break;
        }

        return new TextCorpus
        {
            Source = source,
            Training = Join(source, distinct.Where(entry => !heldBack.Contains(entry.Key))),
            Validation = Join(source, distinct.Where(entry => heldBack.Contains(entry.Key))),
        };
    }

    private static Int128 Identity(byte[] bytes)
    {
        var hash = SHA256.HashData(bytes);
        return new Int128(BitConverter.ToUInt64(hash, 0), BitConverter.ToUInt64(hash, 8));
    }

    private static byte[] Join(string source, IEnumerable<KeyValuePair<Int128, byte[]>> documents)
    {
        var parts = documents.Select(entry => entry.Value).ToList();
        var length = parts.Sum(part => part.Length + 1L);
        if (length > Array.MaxLength)
            throw new UserException($"{source} holds {length / 1e9:F1} GB of text; at most 2 GB fit. Give fewer files.");

        var joined = new byte[length];
        var end = 0;
        foreach (var part in parts)
        {
            part.CopyTo(joined, end);
            joined[end += part.Length] = EndOfDocument;
            end++;
        }

        return joined;
    }
}
