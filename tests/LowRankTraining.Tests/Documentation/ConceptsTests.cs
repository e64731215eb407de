using System.Text.RegularExpressions;
using FluentAssertions;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Documentation;

/// <summary>The examples of docs/concepts.md compile and train.</summary>
public partial class ConceptsTests
{
    public static TheoryData<string> Examples => [.. CodeBlock().Matches(Repository.Read("docs/concepts.md")).Select(block => block.Groups[1].Value)];

    [Theory, MemberData(nameof(Examples))]
    public void Example_is_what_is_compiled(string example) => Lines(Repository.Read("ConceptsExamples.cs")).Should().Contain(Lines(example));

    [Fact]
    public void Method_made_of_options_trains() => LossFalls(ConceptsExamples.WithOptions);

    [Fact]
    public void Method_made_of_parts_trains() => LossFalls(ConceptsExamples.Composed);

    private static void LossFalls(Func<nn.Module, LowRankOptimizer> make)
    {
        using var scope = NewDisposeScope();
        manual_seed(1);
        using var model = nn.Sequential(("first", nn.Linear(16, 160)), ("active", nn.Tanh()), ("second", nn.Linear(160, 8)));
        using var optimizer = make(model);
        var (input, target) = (randn(32, 16), randn(32, 8));

        var before = Step();
        for (var step = 0; step < 20; step++)
            Step();
        Step().Should().BeLessThan(before);

        float Step()
        {
            optimizer.zero_grad();
            var loss = nn.functional.mse_loss(model.call(input), target);
            loss.backward();
            optimizer.step();
            return loss.ToSingle();
        }
    }

    /// <summary>Indentation apart.</summary>
    private static string Lines(string code) => string.Join('\n', code.Split('\n').Select(line => line.Trim()).Where(line => line.Length > 0));

    [GeneratedRegex("```csharp\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex CodeBlock();
}
