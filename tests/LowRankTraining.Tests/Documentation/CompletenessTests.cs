using System.Text.RegularExpressions;
using FluentAssertions;
using LowRankTraining.Strategies;
using Microsoft.Extensions.Options;
using Xunit;

namespace LowRankTraining.Tests.Documentation;

/// <summary>A method is more than its code. (That the battery runs it is a test of the battery.)</summary>
public class CompletenessTests
{
    private const string Benchmarks = "benchmarks/LowRankTraining.Benchmarks/Methods.cs", Samples = "samples/LanguageModel/Methods";

    private static readonly Type[] Exported = typeof(ILowRankStrategy).Assembly.GetExportedTypes();

    public static TheoryData<Type> Strategies =>
        [.. Exported.Where(type => type is { IsClass: true, IsAbstract: false } && type.IsAssignableTo(typeof(ILowRankStrategy)))];

    [Theory, MemberData(nameof(Strategies))]
    public void Method_has_options_that_are_validated(Type strategy)
    {
        var options = strategy.GetConstructors().Single().GetParameters().Single().ParameterType;
        var validator = typeof(IValidateOptions<>).MakeGenericType(options);

        options.Name.Should().Be($"{Method(strategy)}Options");
        Exported.Where(type => type.IsAssignableTo(validator)).Should().ContainSingle($"{options.Name} needs a public {validator.Name} of its own");
    }

    [Theory, MemberData(nameof(Strategies))]
    public void Page_shows_how_the_method_is_used(Type strategy)
    {
        Repository.Has(Page(strategy)).Should().BeTrue($"{strategy.Name} needs the page {Page(strategy)}");
        Regex.IsMatch(Repository.Read(Page(strategy)), $@"\b{Method(strategy)}(Strategy|\.\w+)\(").Should().BeTrue($"{Page(strategy)} should show a line that makes {Method(strategy)}");
    }

    [Theory, MemberData(nameof(Strategies))]
    public void Readme_names_the_method(Type strategy) => RequireIn("README.md", $"({Page(strategy)})");

    [Theory, MemberData(nameof(Strategies))]
    public void Guide_names_the_method(Type strategy) => RequireIn("docs/choosing-a-method.md", $"({Page(strategy)["docs/".Length..]})");

    [Theory, MemberData(nameof(Strategies))]
    public void Benchmarks_have_a_row(Type strategy) => RequireIn(Benchmarks, $"new {strategy.Name}(");

    [Theory, MemberData(nameof(Strategies))]
    public void Samples_train_with_it(Type strategy)
    {
        RequireIn(Samples, $"new {strategy.Name}(");
        RequireIn(Samples, $"\"{Name(strategy)}\"");
    }

    private static void RequireIn(string file, string text) => Repository.Read(file).Contains(text, StringComparison.Ordinal).Should().BeTrue($"{file} should hold {text}");

    private static string Method(Type strategy) => strategy.Name[..^"Strategy".Length];

    private static string Name(Type strategy) => ((ILowRankStrategy)strategy.GetConstructors().Single().Invoke([null])).Name;

    private static string Page(Type strategy) => $"docs/methods/{Name(strategy)}.md";
}
