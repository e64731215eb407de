using System.Text;
using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace LowRankTraining.Tests.Documentation.Snippets;

/// <summary>Writes the class that holds a block and what it continues; compiler and debugger see the lines of the page.</summary>
internal sealed partial class SnippetSource
{
    public const string Class = "Example";

    private readonly StringBuilder _usings = new(), _body = new(), _types = new();
    private readonly CSharpParseOptions _language;

    private SnippetSource(CSharpParseOptions language) => _language = language;

    /// <param name="namespaces">Those that every page may use without a line.</param>
    public static string For(Snippet snippet, CSharpParseOptions language, IEnumerable<string> namespaces)
    {
        var source = new SnippetSource(language);
        foreach (var part in snippet.Chain)
        {
            foreach (var (line, code) in part.Given)
                source.Add(part.Page, line, code);
            source.Add(part.Page, part.Line, part.Code);
        }
        return $$"""
            {{source._usings}}
            #line default
            {{string.Concat(namespaces.Select(name => $"using {name};\n"))}}
            public sealed class {{Class}} : {{typeof(Reader).FullName}}
            {
                public override void Run()
                {
            {{source._body}}
            #line default
                }
            }
            {{source._types}}
            """;
    }

    private void Add(string page, int line, string code)
    {
        if (!SyntaxFactory.ParseExpression(code, options: _language, consumeFullText: true).ContainsDiagnostics)
        {
            Write(_body, page, line, $"_ =\n{Line(page, line)}{code}\n;");
            return;
        }

        var unit = SyntaxFactory.ParseCompilationUnit(Ellipsis().Replace(code, ""), options: _language);
        var loop = Loop(unit);
        unit = SyntaxFactory.ParseCompilationUnit(Ellipsis().Replace(code, loop), options: _language);
        var last = Ellipsis().IsMatch(code) ? null : unit.Members.LastOrDefault(member => Made(member).Any(name => name is "optimizer" or "scheduler"));
        foreach (var part in unit.Usings.Concat<Microsoft.CodeAnalysis.SyntaxNode>(unit.Members))
        {
            var target = part is UsingDirectiveSyntax ? _usings : part is GlobalStatementSyntax ? _body : _types;
            Write(target, page, line + unit.SyntaxTree.GetLineSpan(part.FullSpan).StartLinePosition.Line, part.ToFullString());
            if (part == last)
                _body.Append(loop);
        }
        // What is left are comments, or text that is no code and shall be an error.
        Write(_body, page, line + unit.SyntaxTree.GetLineSpan(unit.EndOfFileToken.FullSpan).StartLinePosition.Line, unit.EndOfFileToken.ToFullString());
    }

    /// <summary>The call that trains with what a block makes.</summary>
    private static string Loop(CompilationUnitSyntax unit) =>
        unit.Members.SelectMany(Made).Contains("scheduler") ? "Train(optimizer, scheduler);" : "Train(optimizer);";

    /// <summary>The variables that a statement declares.</summary>
    private static IEnumerable<string> Made(MemberDeclarationSyntax member) =>
        member is GlobalStatementSyntax { Statement: LocalDeclarationStatementSyntax local }
            ? local.Declaration.Variables.Select(variable => variable.Identifier.Text)
            : [];

    private static void Write(StringBuilder target, string page, int line, string text) =>
        target.Append('\n').Append(Line(page, line)).Append(text).Append('\n');

    private static string Line(string page, int line) => $"#line {line} \"{page}\"\n";

    /// <summary>Three dots on a line stand for the training loop.</summary>
    [GeneratedRegex(@"^[ \t]*\.\.\.[ \t]*$", RegexOptions.Multiline)]
    private static partial Regex Ellipsis();
}
