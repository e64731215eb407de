using System.Collections;
using System.ComponentModel;
using System.Globalization;
using System.Reflection;
using System.Text.Json.Nodes;

namespace LowRankTraining.Text;

/// <summary>The text form of a method or a part: its kind by a word, and its options by their names.</summary>
/// <remarks>Enums are their names, infinities and NaN texts. A part whose options are all as by default is its word alone.</remarks>
internal sealed class PartWriter
{
    /// <summary>What the word of a kind is called in the text.</summary>
    public const string MethodKey = "Method", KindKey = "Kind";

    private readonly bool _all;

    private PartWriter(bool all) => _all = all;

    /// <summary>Every option, whether it is as by default or not.</summary>
    public static JsonObject Full(object part) => new PartWriter(all: true).Parts(part);

    /// <summary>The options that are not as by default.</summary>
    public static JsonObject Short(object part) => new PartWriter(all: false).Parts(part);

    private JsonObject Parts(object part) => (_all ? [] : Kinds.Of(part)).Where(kind => kind.Prototype is not null)
        .Select(kind => With(kind.Name, part, Differences(part, kind.Default()))).MinBy(written => written.Count)
        ?? With(NameOf(part), part, PartOption.Of(part.GetType()));

    /// <summary>The kind that is nearest to a part, as a kind is told from others of its type by what cannot be set.</summary>
    public static string NameOf(object part) => Kinds.Of(part) switch
    {
        [] => KindName.Of(part.GetType()),
        [var only] => only.Name,
        var kinds => kinds.MinBy(kind => Differences(part, kind.Default()).Count())!.Name,
    };

    private JsonObject With(string name, object part, IEnumerable<PartOption> options)
    {
        var written = new JsonObject { [part is ILowRankStrategy ? MethodKey : KindKey] = name };
        foreach (var option in options)
            written[option.Name] = Node(option.Get(part));
        return written;
    }

    /// <summary>What has to be said, in this order, to make a part of the default one. What is said changes what others are by default.</summary>
    private static IEnumerable<PartOption> Differences(object part, object unset)
    {
        foreach (var option in PartOption.Of(part.GetType()))
        {
            if (AreSame(option.Get(part), option.Get(unset)))
                continue;
            if (option.IsSettable)
                TrySet(option, unset, option.Get(part));
            yield return option;
        }
    }

    /// <summary>What another kind refuses stays different there.</summary>
    private static void TrySet(PartOption option, object part, object? value)
    {
        try
        {
            option.Set(part, value);
        }
        catch (TargetInvocationException)
        {
        }
    }

    private static bool AreSame(object? one, object? other) =>
        Equals(one, other) || JsonNode.DeepEquals(new PartWriter(all: true).Node(one), new PartWriter(all: true).Node(other));

    private JsonNode? Node(object? value) => value switch
    {
        null => null,
        string text => JsonValue.Create(text),
        bool flag => JsonValue.Create(flag),
        Enum name => JsonValue.Create(name.ToString()),
        float number => double.IsFinite(number) ? JsonValue.Create(number) : JsonValue.Create(number.ToString(CultureInfo.InvariantCulture)),
        double number => double.IsFinite(number) ? JsonValue.Create(number) : JsonValue.Create(number.ToString(CultureInfo.InvariantCulture)),
        ulong number => JsonValue.Create(number),
        sbyte or byte or short or ushort or int or uint or long => JsonValue.Create(Convert.ToInt64(value, CultureInfo.InvariantCulture)),
        IDictionary entries => new JsonObject(entries.Keys.Cast<object>().Select(key => KeyValuePair.Create(key.ToString()!, Node(entries[key])))),
        IEnumerable items => new JsonArray([.. items.Cast<object?>().Select(Node)]),
        IFormattable text and ValueType => JsonValue.Create(text.ToString(null, CultureInfo.InvariantCulture)),
        _ when PartOption.HasConverter(value.GetType()) => JsonValue.Create(TypeDescriptor.GetConverter(value).ConvertToInvariantString(value)),
        _ => Parts(value) is { Count: 1 } kind && !_all ? kind.Single().Value!.DeepClone() : Parts(value),
    };
}
