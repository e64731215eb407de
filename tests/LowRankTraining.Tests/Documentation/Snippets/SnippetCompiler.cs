using System.Globalization;
using System.Reflection;
using System.Runtime.Loader;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Emit;

namespace LowRankTraining.Tests.Documentation.Snippets;

/// <summary>Compiles a block against what the tests themselves run on.</summary>
internal static class SnippetCompiler
{
    private static readonly CSharpParseOptions Language = new(LanguageVersion.Latest);

    private static readonly Assembly[] Libraries = [typeof(ILowRankStrategy).Assembly, typeof(Mpi.MpiWorld).Assembly];

    /// <summary>Those that a new console project has.</summary>
    private static readonly string[] Implicit =
        ["System", "System.Collections.Generic", "System.IO", "System.Linq", "System.Net.Http", "System.Threading", "System.Threading.Tasks"];

    /// <summary>All public namespaces of the library, TorchSharp's, and those that a new project has.</summary>
    private static readonly string[] Namespaces =
    [
        .. Implicit, "TorchSharp", "static TorchSharp.torch",
        .. Libraries.SelectMany(library => library.GetExportedTypes()).Select(type => type.Namespace!).Distinct().Order(),
    ];

    private static readonly MetadataReference[] References =
    [
        .. ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator)
            .Append(typeof(Reader).Assembly.Location).Concat(Libraries.Select(library => library.Location))
            .DistinctBy(Path.GetFileName).Select(path => MetadataReference.CreateFromFile(path)),
    ];

    /// <summary>What the compiler objects to, each with page, line and message.</summary>
    public static IReadOnlyList<string> Errors(Snippet snippet) => Emit(snippet, Stream.Null, Stream.Null);

    /// <summary>The block at work, with a model and data of its own.</summary>
    public static Reader Load(Snippet snippet)
    {
        using MemoryStream assembly = new(), symbols = new();
        if (Emit(snippet, assembly, symbols) is { Count: > 0 } errors)
            throw new FormatException(string.Join('\n', errors));
        assembly.Position = symbols.Position = 0;
        var loaded = new AssemblyLoadContext(snippet.ToString(), isCollectible: true).LoadFromStream(assembly, symbols);
        return (Reader)Activator.CreateInstance(loaded.GetType(SnippetSource.Class)!)!;
    }

    /// <summary>Runs a block that is a whole program.</summary>
    /// <returns>What it prints, where a number has a point.</returns>
    public static string Run(Snippet program)
    {
        using MemoryStream assembly = new(), symbols = new();
        if (Emit(program, assembly, symbols) is { Count: > 0 } errors)
            throw new FormatException(string.Join('\n', errors));
        assembly.Position = symbols.Position = 0;
        var entry = new AssemblyLoadContext(program.ToString(), isCollectible: true).LoadFromStream(assembly, symbols).EntryPoint!;
        var (console, output, country) = (Console.Out, new StringWriter(), CultureInfo.CurrentCulture);
        Console.SetOut(output);
        CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        try
        {
            entry.Invoke(null, [Array.Empty<string>()]);
        }
        finally
        {
            CultureInfo.CurrentCulture = country;
            Console.SetOut(console);
        }
        return output.ToString();
    }

    private static IReadOnlyList<string> Emit(Snippet snippet, Stream assembly, Stream symbols)
    {
        var source = snippet.IsProgram
            ? $"{string.Concat(Implicit.Select(name => $"global using {name};\n"))}#line {snippet.Line} \"{snippet.Page}\"\n{snippet.Code}"
            : SnippetSource.For(snippet, Language, Namespaces);
        var tree = CSharpSyntaxTree.ParseText(source, Language, encoding: System.Text.Encoding.UTF8);
        var kind = snippet.IsProgram ? OutputKind.ConsoleApplication : OutputKind.DynamicallyLinkedLibrary;
        var options = new CSharpCompilationOptions(kind, nullableContextOptions: NullableContextOptions.Enable);
        var emitted = CSharpCompilation.Create("Snippet", [tree], References, options)
            .Emit(assembly, symbols, options: new EmitOptions(debugInformationFormat: DebugInformationFormat.PortablePdb));
        return
        [
            .. from diagnostic in emitted.Diagnostics
               where diagnostic.Severity == DiagnosticSeverity.Error
               select Describe(snippet, diagnostic),
        ];
    }

    private static string Describe(Snippet snippet, Diagnostic diagnostic)
    {
        var place = diagnostic.Location.GetMappedLineSpan();
        return $"{(place.HasMappedPath ? place.Path : snippet.Page)}({(place.HasMappedPath ? place.StartLinePosition.Line + 1 : snippet.Line)}): "
            + $"{diagnostic.Id}: {diagnostic.GetMessage(CultureInfo.InvariantCulture)}";
    }
}
