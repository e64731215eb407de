using System.ComponentModel;
using System.Globalization;
using LowRankTraining.Text;

namespace LowRankTraining.Strategies;

/// <summary>A sparsity by text: "0.5" for a share, "2:4" for two of every four.</summary>
internal sealed class SparsityConverter : TypeConverter
{
    public override bool CanConvertFrom(ITypeDescriptorContext? context, Type sourceType) => sourceType == typeof(string);

    public override object ConvertFrom(ITypeDescriptorContext? context, CultureInfo? culture, object value)
    {
        var parts = ((string)value).Split(':', StringSplitOptions.TrimEntries);
        if (parts is [var zeros, var group] && IsNumber(zeros, out var pruned) && IsNumber(group, out var of))
            return Sparsity.OfEvery(pruned, of);
        return parts is [var share] && PartReader.IsNumber(share, out var number)
            ? Sparsity.Share(number)
            : throw new FormatException("It must be a share such as 0.5, or the zeros in a group such as 2:4.");
    }

    public override object? ConvertTo(ITypeDescriptorContext? context, CultureInfo? culture, object? value, Type destinationType) =>
        value is Sparsity sparsity && destinationType == typeof(string) ? sparsity.Text : base.ConvertTo(context, culture, value, destinationType);

    private static bool IsNumber(string text, out int number) => int.TryParse(text, CultureInfo.InvariantCulture, out number);
}
