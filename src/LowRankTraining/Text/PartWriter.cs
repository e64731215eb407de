using System.Collections;
using System.ComponentModel;
using System.Globalization;
using System.Reflection;
using System.Text.Json.Nodes;

namespace LowRankTraining.Text;

/// <summary>The text form of a method or a part: its kind by a word, and its options by their names.</summary>
/// <remarks>Enums are their names, infinities and NaN texts. A part whose options are all as by default is its word alone; one of an option that takes no
/// other kind is its options alone, those that differ from what stands there by default.</remarks>
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
        ?? With(NameOf(part), part, Whole(part));

    /// <summary>A part where one of a type is expected, and where another one may stand by default.</summary>
    private JsonNode Part(object part, Type? expected, object? standing)
    {
        var written = !_all && expected is { IsSealed: true } && Kinds.Of(part) is [var only] ? With(null, part, Said(only)) : Parts(part);
        return (_all, written.Count) switch
        {
            (false, 0) => JsonValue.Create(NameOf(part)),
            (false, 1) when written.ContainsKey(KindKey) || written.ContainsKey(MethodKey) => written.Single().Value!.DeepClone(),
            _ => written,
        };

        IEnumerable<(PartOption, object?)> Said(Kind only) => standing is not null ? Differences(part, Kind.Copy(standing))
            : only.Prototype is not null ? Differences(part, only.Default()) : Whole(part);
    }

    /// <summary>The kind that is nearest to a part, as a kind is told from others of its type by what cannot be set.</summary>
    public static string NameOf(object part) => Kinds.Of(part) switch
    {
        [] => KindName.Of(part.GetType()),
        [var only] => only.Name,
        var kinds => kinds.MinBy(kind => Differences(part, kind.Default()).Count())!.Name,
    };

    private JsonObject With(string? name, object part, IEnumerable<(PartOption Option, object? Unset)> options)
    {
        var written = new JsonObject();
        if (name is not null)
            written[part is ILowRankStrategy ? MethodKey : KindKey] = name;
        foreach (var (option, unset) in options)
            written[option.Name] = Node(option.Get(part), option.Type, unset);
        return written;
    }

    private static IEnumerable<(PartOption Option, object? Unset)> Whole(object part) =>
        PartOption.Of(part.GetType()).Select(option => (option, (object?)null));

    /// <summary>What has to be said, in this order, to make a part of the default one, each with what it is until then. What is said changes what others are by
    /// default.</summary>
    private static IEnumerable<(PartOption Option, object? Unset)> Differences(object part, object unset)
    {
        foreach (var option in PartOption.Of(part.GetType()))
        {
            var before = option.Get(unset);
            if (AreSame(option.Get(part), before) && !IsSaid(option, part, unset))
                continue;
            if (option.IsSettable)
                TrySet(option, unset, option.Get(part));
            yield return (option, before);
        }
    }

    /// <summary>Whether an option was set to what it is by default, and a part tells the one from the other: a rank that nobody asked for is not for all
    /// matrices.</summary>
    private static bool IsSaid(PartOption option, object part, object unset)
    {
        if (!option.IsSettable)
            return false;
        var (again, said) = (Kind.Copy(part), Kind.Copy(unset));
        TrySet(option, again, option.Get(part));
        TrySet(option, said, option.Get(unset));
        return Equals(again, part) && !Equals(said, unset);
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

    private JsonNode? Node(object? value, Type? expected = null, object? standing = null) => value switch
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
        IEnumerable items => new JsonArray([.. items.Cast<object?>().Select(item => Node(item, expected?.GetGenericArguments().LastOrDefault()))]),
        IFormattable text and ValueType => JsonValue.Create(text.ToString(null, CultureInfo.InvariantCulture)),
        _ when PartOption.HasConverter(value.GetType()) => JsonValue.Create(TypeDescriptor.GetConverter(value).ConvertToInvariantString(value)),
        _ => Part(value, expected, standing),
    };
}
