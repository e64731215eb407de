using System.Globalization;
using LanguageModel.Training;

namespace LanguageModel.CommandLine;

/// <summary>Numbers for people, the same in every culture.</summary>
public static class Describe
{
    private static readonly (double Size, string Unit)[] ByteUnits = [(1e9, "GB"), (1e6, "MB"), (1e3, "kB")];

    /// <summary>1536000 as <c>1.54 MB</c>; a dash for null.</summary>
    public static string Bytes(long? bytes)
    {
        if (bytes is not { } count)
            return "–";

        var (size, unit) = ByteUnits.FirstOrDefault(candidate => count >= candidate.Size, (1, "B"));
        return $"{Significant(count / size)} {unit}";
    }

    /// <summary>The most that a run took: <c>41.4 MB of tensors, 210 MB of the process</c>, as far as it was measured.</summary>
    public static string PeakMemory(TrainingReport report)
    {
        string?[] parts =
        [
            report.PeakTensorBytes is { } tensors ? $"{Bytes(tensors)} of tensors" : null,
            report.PeakProcessBytes is { } process ? $"{Bytes(process)} of the process" : null,
        ];
        return string.Join(", ", parts.OfType<string>()) is { Length: > 0 } text ? text : "not measured on CUDA";
    }

    /// <summary>Three significant digits, without an exponent: <c>0.0123</c>, <c>1.23</c>, <c>12.3</c>, <c>1234</c>.</summary>
    public static string Significant(double value)
    {
        if (value == 0 || !double.IsFinite(value))
            return value.ToString(CultureInfo.InvariantCulture);

        var decimals = Math.Clamp(2 - (int)Math.Floor(Math.Log10(Math.Abs(value))), 0, 12);
        return value.ToString($"F{decimals}", CultureInfo.InvariantCulture);
    }

    /// <summary>A whole number with thousands separated: <c>12,345</c>.</summary>
    public static string Count(double value) => value.ToString("N0", CultureInfo.InvariantCulture);

    /// <summary>A number with <paramref name="decimals"/> digits after the point.</summary>
    public static string Fixed(double value, int decimals) => value.ToString($"F{decimals}", CultureInfo.InvariantCulture);

    /// <summary>A learning rate: <c>1.5e-2</c>.</summary>
    public static string Rate(double rate) => rate.ToString("0.##e-0", CultureInfo.InvariantCulture);

    /// <summary><c>42 s</c>, <c>3 min 20 s</c>, <c>2 h 5 min</c>.</summary>
    public static string Duration(TimeSpan time)
    {
        var whole = TimeSpan.FromSeconds(Math.Round(time.TotalSeconds));
        return whole switch
        {
            { TotalMinutes: < 1 } => $"{whole.Seconds} s",
            { TotalHours: < 1 } => $"{whole.Minutes} min {whole.Seconds} s",
            _ => $"{(int)whole.TotalHours} h {whole.Minutes} min",
        };
    }
}
