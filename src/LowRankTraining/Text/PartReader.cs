using System.Collections;
using System.ComponentModel;
using System.Globalization;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Options;

namespace LowRankTraining.Text;

/// <summary>Makes methods and parts from their text form, and collects what is wrong with it, each with the path to it.</summary>
/// <remarks>Numbers and flags may be texts, lists may be objects with numbers for keys, and nothing may be an empty text: configuration knows no more than
/// that.</remarks>
internal sealed class PartReader
{
    /// <summary>The word for no part at all.</summary>
    private const string Nothing = "none";

    private readonly List<string> _failures = [];
    private readonly IReadOnlyCollection<string> _neighbors;

    private PartReader(IReadOnlyCollection<string> neighbors) => _neighbors = neighbors;

    /// <summary>A method or a part.</summary>
    /// <param name="node">Its word, or an object with the word and options.</param>
    /// <param name="path">Where it stands, as messages begin: "Training".</param>
    /// <param name="neighbors">Keys beside its options, which are not read.</param>
    /// <exception cref="OptionsValidationException">Something is wrong; all of it is listed.</exception>
    public static TPart Read<TPart>(JsonNode? node, string path, IReadOnlyCollection<string> neighbors) where TPart : class
    {
        var reader = new PartReader(neighbors);
        if (JsonKeys.Repeated(node, path) is { } repeated)
            throw new RefusedOptions(path, typeof(TPart), [$"{repeated} stands there twice."]);
        if (node is JsonObject options && neighbors.Count > 0)
            node = new JsonObject(options.Where(option => !neighbors.Any(key => KindName.AreSame(key, option.Key)))
                .Select(option => KeyValuePair.Create(option.Key, option.Value?.DeepClone())));
        var part = reader.Part(node, typeof(TPart), null, path);
        if (part is null && reader._failures.Count == 0)
            reader.Fail(path, $"is missing: give a {KindName.Noun(typeof(TPart))}.");
        return reader._failures.Count == 0 ? (TPart)part! : throw new RefusedOptions(path, typeof(TPart), reader._failures);
    }

    private object? Part(JsonNode? node, Type family, object? current, string path)
    {
        if (IsNothing(node) || IsNone(node))
            return null;
        if (node is JsonArray)
            return Fail(path, $"is a list: it must be a {KindName.Noun(family)}.");
        if (node is not JsonObject options)
            return KindOf(TextOf(node!), family, path) is { } named ? Of(named, [], path) : null;

        var key = family.IsAssignableTo(typeof(ILowRankStrategy)) ? PartWriter.MethodKey : PartWriter.KindKey;
        var word = options.FirstOrDefault(option => KindName.AreSame(option.Key, key));
        var rest = options.Where(option => option.Key != word.Key).ToArray();
        if (!IsNothing(word.Value))
            return word.Value is JsonValue value
                ? KindOf(TextOf(value), family, Join(path, key)) is { } kind ? Of(kind, rest, path) : null
                : Fail(Join(path, key), "must be a word.");
        if (current is not null)
            return Set(Kind.Copy(current), rest, PartWriter.NameOf(current), path);
        if (Kinds.For(family).ToArray() is [var only])
            return Of(only, rest, path);
        return Fail(path, $"has {(rest.Length == 0 ? "" : $"{rest.Select(option => option.Key).Few(3)}, but ")}no {key}: {OneOf(family)}");
    }

    private Kind? KindOf(string word, Type family, string path)
    {
        if (Kinds.Find(family, word) is { } kind)
            return kind;
        Fail(path, $"is '{word}', which is no {KindName.Noun(family)}. {NearestNames.Sentence(word, Kinds.For(family).Select(kind => kind.Name))}");
        return null;
    }

    private object? Of(Kind kind, IReadOnlyList<KeyValuePair<string, JsonNode?>> options, string path)
    {
        if (kind.Maker is not { } maker)
            return Set(kind.Default(), options, kind.Name, path);

        var before = _failures.Count;
        var taken = new HashSet<string>();
        object?[] values = [.. maker.Parameters.Select(Value)];
        return _failures.Count == before && Try(() => maker.Make(values), path) is { } part
            ? Set(part, options.Where(option => !taken.Contains(option.Key)), kind.Name, path)
            : null;

        object? Value(ParameterInfo parameter)
        {
            var (key, node) = options.FirstOrDefault(option => KindName.AreSame(option.Key, parameter.Name!));
            var option = PartOption.Of(kind.Type).First(option => KindName.AreSame(option.Name, parameter.Name!));
            if (key is null)
                return parameter.HasDefaultValue ? parameter.DefaultValue : Fail(path, $"lacks {option.Name}, which a {kind.Name} needs.");
            taken.Add(key);
            return this.Value(node, option.Type, option.MayBeNull, null, Join(path, option.Name));
        }
    }

    private object Set(object part, IEnumerable<KeyValuePair<string, JsonNode?>> options, string name, string path)
    {
        var isOuter = part is ILowRankStrategy;
        var settable = PartOption.Of(part.GetType()).Where(option => option.IsSettable).ToArray();
        foreach (var (key, node) in options)
        {
            if (settable.FirstOrDefault(option => KindName.AreSame(option.Name, key)) is not { } option)
            {
                var known = settable.Select(option => option.Name).Concat(isOuter ? _neighbors : []);
                Fail(Join(path, key), $"is no option of {name}{(known.Any() ? $". {NearestNames.Sentence(key, known)}" : ", which has none.")}");
                continue;
            }

            if (option.IsOwnByDefault && IsNone(node))
            {
                Fail(Join(path, option.Name), $"is '{Nothing}', but {name} needs a {KindName.Noun(option.Type)}: leave it out for its own, or name another.");
                continue;
            }

            var before = _failures.Count;
            var value = Value(node, option.Type, option.MayBeNull, option.Get(part), Join(path, option.Name));
            if (_failures.Count == before)
                Try(() => SetTo(option, value), Join(path, option.Name));
        }

        return part;

        object SetTo(PartOption option, object? value)
        {
            option.Set(part, value);
            return part;
        }
    }

    private object? Value(JsonNode? node, Type type, bool mayBeNull, object? current, string path)
    {
        var isMany = type != typeof(string) && type.IsAssignableTo(typeof(IEnumerable));
        if (IsNothing(node))
            return isMany && current is not null ? Many(new JsonArray(), type, path) : mayBeNull ? null : Fail(path, $"is empty: it must be {Wanted(type)}.");
        if (PartOption.IsPart(type))
            return Kinds.For(type).Any() ? Part(node, type, current, path) : Fail(path, "cannot be given by text: set it in code.");
        if (isMany)
            return Many(node!, type, path);
        return node is JsonValue ? Single(TextOf(node), type, path) : Fail(path, $"must be {Wanted(type)}.");
    }

    private object? Single(string text, Type type, string path)
    {
        if (type == typeof(string))
            return text;
        if (type.IsEnum)
            return Enum.GetNames(type).FirstOrDefault(name => KindName.AreSame(name, text)) is { } found
                ? Enum.Parse(type, found)
                : Fail(path, $"is '{text}'. {NearestNames.Sentence(text, Enum.GetNames(type))}");
        if (type == typeof(double) || type == typeof(float))
            return IsNumber(text, out var number)
                ? Convert.ChangeType(number, type, CultureInfo.InvariantCulture)
                : Fail(path, $"is '{text}': it must be a number{(text.Contains(',') ? $", with a point: {text.Replace(',', '.')}" : "")}.");
        try
        {
            return PartOption.HasConverter(type)
                ? TypeDescriptor.GetConverter(type).ConvertFromInvariantString(text)
                : Convert.ChangeType(text.Trim(), type, CultureInfo.InvariantCulture);
        }
        catch (Exception exception) when (exception is FormatException or OverflowException or InvalidCastException or ArgumentException)
        {
            return Fail(path, PartOption.HasConverter(type) ? $"is '{text}': {Sentence(exception)}"
                : $"is '{text}': it must be {Wanted(type)}{(exception is OverflowException ? RangeOf(type) : "")}.");
        }
    }

    /// <summary>Whether a text is a number. A comma is no part of one: between thousands it would make 25 of the 0,25 that other languages write.</summary>
    internal static bool IsNumber(string text, out double number) => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out number);

    private static string RangeOf(Type type) => FormattableString.Invariant(
        $" from {type.GetField("MinValue")?.GetValue(null)} to {type.GetField("MaxValue")?.GetValue(null)}");

    /// <summary>A list, or a dictionary by names.</summary>
    private object? Many(JsonNode node, Type type, string path)
    {
        var arguments = type.GetGenericArguments();
        if (arguments is [var key, var value] && key == typeof(string))
        {
            if (node is not JsonObject names)
                return Fail(path, "must be an object of names and values.");
            var dictionary = (IDictionary)Activator.CreateInstance(typeof(Dictionary<,>).MakeGenericType(arguments))!;
            foreach (var (name, entry) in names)
                if (Value(entry, value, false, null, Join(path, name)) is { } read)
                    dictionary[name] = read;
            return dictionary;
        }

        if (arguments is not [var element])
            return Fail(path, "cannot be given by text: set it in code.");
        if (ItemsOf(node) is not { } items)
            return Fail(path, "must be a list.");
        var list = (IList)Activator.CreateInstance(typeof(List<>).MakeGenericType(element))!;
        foreach (var (place, item) in items)
            if (Value(item, element, false, null, Join(path, place)) is { } read)
                list.Add(read);
        return list;
    }

    private static IEnumerable<(string Place, JsonNode? Item)>? ItemsOf(JsonNode node) => node switch
    {
        JsonArray list => list.Select((item, index) => (index.ToString(CultureInfo.InvariantCulture), item)),
        JsonObject places when places.All(entry => entry.Key.All(char.IsAsciiDigit)) => places.Select(entry => (entry.Key, entry.Value)),
        _ => null,
    };

    private object? Try(Func<object> make, string path)
    {
        try
        {
            return make();
        }
        catch (TargetInvocationException exception)
        {
            return Fail(path, $"cannot be: {Sentence(exception.InnerException!)}");
        }
    }

    private object? Fail(string path, string what)
    {
        _failures.Add($"{(path.Length == 0 ? "The text" : path)} {what}");
        return null;
    }

    private static string OneOf(Type family) =>
        $"it must be one of {string.Join(", ", Kinds.For(family).Select(kind => kind.Name).Order(StringComparer.Ordinal))}.";

    /// <summary>The message of an exception, without the name of a parameter that who writes text does not see.</summary>
    private static string Sentence(Exception exception) => exception is ArgumentException { ParamName: { } name }
        ? exception.Message.Replace($" (Parameter '{name}')", "", StringComparison.Ordinal)
        : exception.Message;

    private static string Wanted(Type type) => Type.GetTypeCode(type) switch
    {
        _ when type.IsEnum => $"one of {string.Join(", ", Enum.GetNames(type))}",
        TypeCode.Boolean => "true or false",
        TypeCode.Single or TypeCode.Double => "a number",
        TypeCode.String => "a text",
        TypeCode.Object => $"a {KindName.Noun(type)}",
        _ => "a whole number",
    };

    private static bool IsNothing(JsonNode? node) => node is null || node is JsonValue && TextOf(node).Length == 0;

    private static bool IsNone(JsonNode? node) => node is JsonValue && KindName.AreSame(TextOf(node), Nothing);

    private static string TextOf(JsonNode node) => node.GetValueKind() == JsonValueKind.String ? node.GetValue<string>() : node.ToJsonString();

    private static string Join(string path, string key) => path.Length == 0 ? key : $"{path}:{key}";
}
