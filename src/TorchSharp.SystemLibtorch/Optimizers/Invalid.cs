using System.Globalization;

namespace TorchSharp.Modules;

internal static class Invalid
{
    public static void When(bool wrong, string what, double value)
    {
        if (wrong)
        {
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"Invalid {what}: {value}"));
        }
    }
}
