using System.CommandLine;
using System.CommandLine.Parsing;
using Spectre.Console;

namespace LanguageModel.CommandLine;

/// <summary>Runs a command so that mistakes of the user end in one line and exit code 1.</summary>
public static class SampleCommand
{
    /// <summary>Exit code for what could not be done.</summary>
    public const int Failed = 1;

    /// <summary>Exit code after Ctrl-C, as shells have it.</summary>
    public const int Interrupted = 130;

    private const int WidthOfFiles = 160;

    /// <summary>Parses <paramref name="arguments"/> and runs <paramref name="command"/>.</summary>
    public static int Run(RootCommand command, string[] arguments)
    {
        using var console = new TextConsole();
        ParseResult parsed;
        try
        {
            parsed = command.Parse(ConfigFile.Expand(command, arguments));
        }
        catch (UserException mistake)
        {
            return Complain(mistake.Message);
        }

        if (NumbersWithCommas(parsed.CommandResult).FirstOrDefault() is { } comma)
            return Complain(comma);
        if (Swallowed(parsed.CommandResult).FirstOrDefault() is { } swallowed)
            return Complain($"Unrecognized command or argument '{swallowed}'. See --help.{Guess(parsed.CommandResult.Command, [swallowed])}");
        if (parsed.Errors.Count > 0)
            return Complain($"{Explain(parsed)} See --help.{Guess(parsed)}");

        // What is written to a file or a pipe has no use for colors, and no edge to keep within.
        if (Console.IsOutputRedirected)
        {
            AnsiConsole.Console = AnsiConsole.Create(new AnsiConsoleSettings { Ansi = AnsiSupport.No, ColorSystem = ColorSystemSupport.NoColors });
            AnsiConsole.Profile.Width = WidthOfFiles;
        }

        try
        {
            return parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
        }
        catch (Exception failure) when (OneLine.Suffices(failure))
        {
            return Complain(OneLine.Of(failure));
        }
    }

    /// <summary>The parser takes commas for what stands between thousands: "0,01", as it is written in many languages, would be 1.</summary>
    private static IEnumerable<string> NumbersWithCommas(CommandResult command) => command.Children.OfType<OptionResult>()
        .Where(result => (Nullable.GetUnderlyingType(result.Option.ValueType) ?? result.Option.ValueType) == typeof(double))
        .SelectMany(result => result.Tokens.Where(token => token.Value.Contains(',')), (result, token) =>
            $"{result.Option.Name} takes a number with a point, not '{token.Value}'. See --help.");

    /// <summary>Misspelled options that the parser takes for a value of the option before them, where that may have several.</summary>
    private static IEnumerable<string> Swallowed(CommandResult command) => command.Children.OfType<OptionResult>()
        .Where(result => result.Option.Arity.MaximumNumberOfValues > 1)
        .SelectMany(result => result.Tokens.Select(token => token.Value).Where(value => value.StartsWith("--", StringComparison.Ordinal)));

    /// <summary>What is wrong with a line. Where no command is named, the parser would not say which there are.</summary>
    private static string Explain(ParseResult parsed) => parsed.CommandResult.Command is { Action: null, Subcommands: { Count: > 0 } commands }
        ? $"Give a command: {string.Join(", ", commands.Select(command => command.Name))}."
        : string.Join(' ', parsed.Errors.Select(Explain));

    /// <summary>The parser's own words, but for values of the wrong type, where they name types of .NET.</summary>
    private static string Explain(ParseError error)
    {
        var result = error.SymbolResult as OptionResult ?? error.SymbolResult?.Parent as OptionResult;
        var type = result is null ? null : Nullable.GetUnderlyingType(result.Option.ValueType) ?? result.Option.ValueType;
        var expected = type == typeof(int) || type == typeof(long) || type == typeof(long[]) ? "a whole number" : type == typeof(double) ? "a number" : null;
        if (result is { Tokens.Count: > 1, Option.Arity.MaximumNumberOfValues: 1 })
            return $"{result.Option.Name} is given {result.Tokens.Count} times ({string.Join(", ", result.Tokens.Select(token => token.Value))}).";
        return expected is not null && result is { Tokens: [var token, ..] }
            ? $"{result.Option.Name} takes {expected}, not '{token.Value}'."
            : error.Message;
    }

    /// <summary>What those arguments may have meant that are neither options nor values of any.</summary>
    public static string Guess(ParseResult parsed) => Guess(parsed.CommandResult.Command, parsed.UnmatchedTokens);

    private static string Guess(Command command, IEnumerable<string> tokens)
    {
        var known = command.Options.Select(option => option.Name).Concat(command.Subcommands.Select(sub => sub.Name)).ToList();
        return string.Concat(tokens.Select(token => Nearest.DidYouMean(token, known)).Distinct());
    }

    private static int Complain(string message)
    {
        Console.Error.WriteLine($"error: {message}");
        return Failed;
    }
}
