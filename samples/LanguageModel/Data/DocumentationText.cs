using System.Text;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace LanguageModel.Data;

/// <summary>Plain English out of XML documentation comments.</summary>
internal static partial class DocumentationText
{
    /// <summary>A line for the summary of <paramref name="member"/>, and one for each parameter, result and exception.</summary>
    public static IEnumerable<string> Lines(XElement member) =>
        member.Elements().Select(Line).Where(line => line.Length > 0);

    private static string Line(XElement part)
    {
        var text = new StringBuilder();
        Append(text, part);
        var line = WhiteSpace().Replace(text.ToString(), " ").Trim();
        return (line, part.Name.LocalName) switch
        {
            ("", _) => "",
            (_, "param" or "typeparam") => $"{part.Attribute("name")?.Value}: {line}",
            (_, "exception") => $"{ShortName(part.Attribute("cref")?.Value ?? "")}: {line}",
            (_, "returns") => $"Returns: {line}",
            _ => line,
        };
    }

    private static void Append(StringBuilder text, XElement element)
    {
        foreach (var node in element.Nodes())
        {
            if (node is XText words)
                text.Append(words.Value);
            else if (node is XElement { IsEmpty: true } reference)
                text.Append(Mention(reference));
            else if (node is XElement inner)
                AppendInner(text, inner);
        }
    }

    private static void AppendInner(StringBuilder text, XElement inner)
    {
        var isBlock = inner.Name.LocalName is "para" or "p" or "li" or "item" or "list" or "listheader" or "term" or "description";
        text.Append(isBlock ? " " : "");
        Append(text, inner);
        text.Append(isBlock ? " " : "");
    }

    /// <summary>What an empty element stands for: <c>&lt;see cref="T:System.String" /&gt;</c> is read as String.</summary>
    private static string Mention(XElement reference)
    {
        string? Attribute(string name) => reference.Attribute(name)?.Value;

        return Attribute("langword") ?? Attribute("name") ?? Attribute("href")
            ?? ShortName(Attribute("cref") ?? Attribute("uid") ?? "") switch { "" => " ", var name => name };
    }

    /// <summary>The last name of a type, and the type's last name with the member's: <c>Int32</c>, <c>Int32.MaxValue</c>.</summary>
    private static string ShortName(string target)
    {
        var name = Arity().Replace(target.Split('(')[0], "");
        var isMember = name.Length > 1 && name[1] == ':' && name[0] is 'M' or 'P' or 'F' or 'E';
        var words = name[(name.IndexOf(':') + 1)..].Split('.', StringSplitOptions.RemoveEmptyEntries);
        return words switch
        {
            [] => "",
            [.., var type, "#ctor"] => type,
            [.., var type, var last] when isMember => $"{type}.{last}",
            [.., var last] => last,
        };
    }

    [GeneratedRegex(@"\s+")]
    private static partial Regex WhiteSpace();

    [GeneratedRegex(@"`+\d+")]
    private static partial Regex Arity();
}
