using System.Text;

namespace LanguageModel.CommandLine;

/// <summary>A console for text in any language: on Windows it would print what its old code page does not have as question marks.</summary>
internal sealed class TextConsole : IDisposable
{
    private readonly Encoding? former;

    /// <summary>Prints UTF-8 from now on; elsewhere the terminal says what it reads.</summary>
    public TextConsole()
    {
        if (!OperatingSystem.IsWindows())
            return;

        former = Console.OutputEncoding;
        Console.OutputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
    }

    /// <summary>Gives the console back as it was: it belongs to the shell.</summary>
    public void Dispose()
    {
        if (former is not null)
            Console.OutputEncoding = former;
    }
}
