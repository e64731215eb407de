using System.Globalization;
using System.Text;

namespace LowRankTraining.Tests.Fuzzing;

/// <summary>Damages files as disks, transfers and people do, and as somebody would who wants a reader to fail.</summary>
internal sealed class Mutator(int seed)
{
    private static readonly string[] Numbers =
    [
        "0", "-1", "1", "2", "255", "65536", "2147483647", "-2147483648", "4294967296", "9223372036854775807", "-9223372036854775808", "18446744073709551616",
        "1e308", "-1e308", "0.5", "1e-300", "\"NaN\"",
    ];

    private static readonly string[] Values = ["null", "true", "false", "[]", "{}", "\"\"", "\"x\"", "[0]", "[-1,0]", "[[]]", "{\"a\":1}"];

    private static readonly long[] Lengths = [0, 1, 2, -1, 7, 100_000_000, 100_000_001, int.MaxValue, long.MaxValue, long.MinValue, 1L << 40];

    private readonly Random _random = new(seed);

    /// <summary>One of several sound files with one to four injuries.</summary>
    public byte[] Damage(IReadOnlyList<byte[]> sound)
    {
        var bytes = sound[_random.Next(sound.Count)].ToArray();
        for (var injuries = _random.Next(1, 5); injuries > 0; injuries--)
            bytes = Injure(bytes, sound[_random.Next(sound.Count)]);
        return bytes;
    }

    /// <summary>One JSON text with one to three injuries that leave it JSON, mostly.</summary>
    public string DamageText(string json)
    {
        for (var injuries = _random.Next(1, 4); injuries > 0; injuries--)
            json = Encoding.Latin1.GetString(_random.Next(3) switch
            {
                0 => OtherNumber(Encoding.Latin1.GetBytes(json)),
                1 => OtherValue(Encoding.Latin1.GetBytes(json)),
                _ => OtherLetter(Encoding.Latin1.GetBytes(json)),
            });
        return json;
    }

    private byte[] Injure(byte[] bytes, byte[] other)
    {
        if (bytes.Length == 0)
            return other.ToArray();

        var (start, length) = Range(bytes);
        switch (_random.Next(12))
        {
            case 0:
                bytes[start] ^= (byte)(1 << _random.Next(8));
                return bytes;
            case 1:
                bytes[start] = (byte)_random.Next(256);
                return bytes;
            case 2:
                return [.. bytes[..start], .. bytes[(start + length)..]];
            case 3:
                return [.. bytes[..(start + length)], .. bytes[start..]];
            case 4:
                return bytes[..start];
            case 5:
                return [.. bytes, .. new byte[_random.Next(1, 64)]];
            case 6:
                return [.. bytes[..start], .. other[Math.Min(start, other.Length)..]];
            case 7:
                _random.NextBytes(bytes.AsSpan(start, length));
                return bytes;
            case 8:
                bytes.AsSpan(start, length).Clear();
                return bytes;
            case 9:
                BitConverter.TryWriteBytes(bytes.AsSpan(_random.Next(2) * start), Lengths[_random.Next(Lengths.Length)]);
                return bytes;
            case 10:
                return OtherNumber(bytes);
            default:
                return OtherValue(bytes);
        }
    }

    private (int Start, int Length) Range(byte[] bytes)
    {
        var start = _random.Next(bytes.Length);
        return (start, Math.Min(bytes.Length - start, _random.Next(1, 33)));
    }

    private byte[] OtherLetter(byte[] text)
    {
        text[_random.Next(text.Length)] = (byte)_random.Next(32, 127);
        return text;
    }

    private byte[] OtherNumber(byte[] text) => Replace(text, digit => char.IsAsciiDigit((char)digit) || digit == '-',
        number => _random.Next(2) == 0 && long.TryParse(number, CultureInfo.InvariantCulture, out var value)
            ? unchecked(value + _random.Next(-2, 3)).ToString(CultureInfo.InvariantCulture) : Numbers[_random.Next(Numbers.Length)]);

    /// <summary>Everything from one colon, comma or bracket to the next.</summary>
    private byte[] OtherValue(byte[] text) => Replace(text, letter => !",:[]{}"u8.Contains(letter), _ => Values[_random.Next(Values.Length)]);

    private byte[] Replace(byte[] text, Func<byte, bool> belongs, Func<string, string> other)
    {
        var start = Array.FindIndex(text, _random.Next(text.Length), new Predicate<byte>(belongs));
        if (start < 0)
            return text;

        var end = start;
        while (end < text.Length && belongs(text[end]))
            end++;
        return [.. text[..start], .. Encoding.Latin1.GetBytes(other(Encoding.Latin1.GetString(text, start, end - start))), .. text[end..]];
    }
}
