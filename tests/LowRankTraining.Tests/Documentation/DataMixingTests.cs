using System.Text.RegularExpressions;
using FluentAssertions;
using LowRankTraining.Tests.Adapters;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Documentation;

/// <summary>The example of docs/data-mixing.md compiles and trains.</summary>
public partial class DataMixingTests
{
    [Fact]
    public void Example_is_what_is_compiled() =>
        Lines(Repository.Read("DataMixingExample.cs")).Should().Contain(Lines(CodeBlock().Match(Repository.Read("docs/data-mixing.md")).Groups[1].Value));

    [Fact]
    public void Example_trains()
    {
        using var scope = NewDisposeScope();
        using var model = Training.Seeded(new OpenNetwork());
        var path = Path.GetTempFileName();
        try
        {
            var mixture = DataMixingExample.Train(model, new() { ["web"] = new(1), ["books"] = new(1000), ["forum"] = new(2000) }, steps: 6, path);

            mixture.Sum(share => share.Draws).Should().Be(6);
            new FileInfo(path).Length.Should().BePositive();
        }
        finally
        {
            File.Delete(path);
        }
    }

    /// <summary>Indentation apart.</summary>
    private static string Lines(string code) => string.Join('\n', code.Split('\n').Select(line => line.Trim()).Where(line => line.Length > 0));

    [GeneratedRegex("```csharp\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex CodeBlock();
}
