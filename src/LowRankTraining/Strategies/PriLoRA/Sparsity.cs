using System.ComponentModel;
using System.Globalization;
using LowRankTraining.Text;

namespace LowRankTraining.Strategies;

/// <summary>How many entries of each row are pruned: a share of the row, or so many of every few neighbors.</summary>
[TypeConverter(typeof(SparsityConverter))]
public sealed record Sparsity
{
    private readonly double _share;
    private readonly int _zeros, _group;

    private Sparsity(double share, int zeros, int group) => (_share, _zeros, _group) = (share, zeros, group);

    /// <value>The pattern that GPUs multiply by faster: two of every four.</value>
    public static Sparsity TwoOfFour { get; } = OfEvery(2, 4);

    /// <summary>The share of each row with the least importance, rounded down to whole entries.</summary>
    /// <param name="share">In (0, 1).</param>
    /// <exception cref="ArgumentOutOfRangeException">The share is out of range.</exception>
    public static Sparsity Share(double share) => share is > 0 and < 1
        ? new(share, 0, 1)
        : throw new ArgumentOutOfRangeException(nameof(share), share, "The share of pruned entries must lie between 0 and 1.");

    /// <summary>Of every <paramref name="group"/> neighbors in a row, the <paramref name="zeros"/> with the least importance.</summary>
    /// <param name="zeros">At least 1, below <paramref name="group"/>.</param>
    /// <param name="group">Must divide the length of the rows.</param>
    /// <exception cref="ArgumentOutOfRangeException">The numbers are out of range.</exception>
    public static Sparsity OfEvery(int zeros, int group) => zeros >= 1 && zeros < group
        ? new(0, zeros, group)
        : throw new ArgumentOutOfRangeException(nameof(zeros), zeros, $"Of every {group} neighbors at least 1 and fewer than {group} can be pruned.");

    /// <summary>True for the entries that stay.</summary>
    /// <param name="importance">A matrix; what is least in it goes, exactly as many entries in each row.</param>
    /// <exception cref="ArgumentException">The groups do not divide the rows.</exception>
    public Tensor Survivors(Tensor importance)
    {
        ArgumentNullException.ThrowIfNull(importance);
        if (!Divides(importance.shape[1]))
            throw new ArgumentException($"{this} cannot be pruned in rows of {importance.shape[1]}: "
                + $"groups of {_group} do not divide them.", nameof(importance));

        using var scope = NewDisposeScope();
        var groups = _zeros > 0 ? importance.reshape(-1, _group) : importance;
        var pruned = _zeros > 0 ? _zeros : (int)Math.Floor(_share * importance.shape[1]);
        var least = groups.topk(pruned, 1, largest: false).indexes;
        return ones_like(groups).scatter_(1, least, zeros_like(groups)).ne(0).reshape(importance.shape).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override string ToString() => _zeros > 0 ? $"{_zeros} of every {_group}" : FormattableString.Invariant($"a share of {_share}");

    /// <summary>"0.5" for a share, "2:4" for two of every four.</summary>
    internal string Text => _zeros > 0 ? $"{_zeros}:{_group}" : _share.ToString(CultureInfo.InvariantCulture);

    internal bool Divides(long columns) => columns % _group == 0;
}

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
