using System.Text.RegularExpressions;
using System.Xml.Linq;
using FluentAssertions;
using LowRankTraining.Checkpoints;
using Xunit;

namespace LowRankTraining.Tests.Documentation;

/// <summary>A method is more than its code. (That the battery runs it is a test of the battery.)</summary>
public class CompletenessTests
{
    private const string Benchmarks = "benchmarks/LowRankTraining.Benchmarks/Methods.cs", Samples = "samples/LanguageModel/Methods";

    public static TheoryData<string> Methods => [.. LowRankStrategies.All.Select(method => method.Name)];

    [Fact]
    public void Every_method_is_in_the_list()
    {
        var methods = typeof(ILowRankStrategy).Assembly.GetExportedTypes().Where(type =>
            type.IsAssignableTo(typeof(ILowRankStrategy)) && !type.IsAbstract && type.GetConstructor(Type.EmptyTypes) is not null);

        LowRankStrategies.All.Select(method => method.Create().GetType()).Should().BeEquivalentTo(methods);
    }

    /// <summary>Of a type in several files only one part says what it is, or its page begins with another.</summary>
    [Fact]
    public void Type_or_member_has_one_summary() =>
        XDocument.Load(Path.ChangeExtension(typeof(ILowRankStrategy).Assembly.Location, ".xml")).Descendants("member")
            .Where(member => member.Elements("summary").Count() > 1).Select(member => (string)member.Attribute("name")!).Should().BeEmpty();

    [Theory, MemberData(nameof(Methods))]
    public void Row_has_the_name_of_its_method(string name) => LowRankStrategies.Create(name).Name.Should().Be(name);

    [Theory, MemberData(nameof(Methods))]
    public void Page_shows_how_the_method_is_used(string name) =>
        Regex.IsMatch(Repository.Read(Page(name)), $@"\b(new {TypeOf(name)}\b|{TypeOf(name)}\.\w+\()").Should()
            .BeTrue($"{Page(name)} should show a line that makes {name}");

    [Theory, MemberData(nameof(Methods))]
    public void Readme_names_the_method(string name) => RequireIn("README.md", $"({Page(name)})");

    [Theory, MemberData(nameof(Methods))]
    public void Guide_names_the_method(string name) => RequireIn("docs/choosing-a-method.md", $"({Page(name)["docs/".Length..]})");

    [Theory, MemberData(nameof(Methods))]
    public void Benchmarks_have_a_row(string name) => RequireIn(Benchmarks, $"new {TypeOf(name)}");

    [Theory, MemberData(nameof(Methods))]
    public void Samples_train_with_it(string name) => RequireIn(Samples, $"\"{name}\"");

    [Fact]
    public void Page_for_those_who_come_from_Python_names_every_field_of_an_adapter()
    {
        foreach (var field in PeftFields.Known)
            RequireIn("docs/from-python.md", $"`{field}");
    }

    private static void RequireIn(string file, string text) =>
        Repository.Read(file).Contains(text, StringComparison.Ordinal).Should().BeTrue($"{file} should hold {text}");

    private static string TypeOf(string name) => LowRankStrategies.Create(name).GetType().Name;

    private static string Page(string name) => $"docs/methods/{name}.md";
}
