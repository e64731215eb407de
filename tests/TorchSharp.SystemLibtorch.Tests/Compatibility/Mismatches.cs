using Xunit;

namespace TorchSharp.SystemLibtorch.Tests.Compatibility;

/// <summary>A failure that lists everything that is wrong, one thing a line.</summary>
internal static class Mismatches
{
    public static void MustBeNone(IEnumerable<string> mismatches, string because)
    {
        var all = mismatches.ToList();
        if (all.Count > 0) Assert.Fail($"{all.Count} mismatches; {because}:\n{string.Join('\n', all)}");
    }

    /// <summary>The lines below a mismatch that show what may have been meant.</summary>
    public static string Hint(IEnumerable<string> nearest) => string.Concat(nearest.Select(candidate => $"\n    the list has: {candidate}"));
}
