using System.Text;
using System.Text.Json.Nodes;
using FluentAssertions;
using LowRankTraining.Strategies;
using LowRankTraining.Text;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Xunit;

namespace LowRankTraining.Tests.Text;

/// <summary>Every option of every method and of its parts through configuration, where all values are texts and lists are numbered keys.</summary>
public class ConfigurationTests
{
    public static TheoryData<string> Methods => [.. LowRankStrategies.All.Select(method => method.Name)];

    [Theory, MemberData(nameof(Methods))]
    public void Every_option_goes_through_a_file(string name)
    {
        foreach (var method in ChangedOptions.Of(LowRankStrategies.Create(name)))
            Read(method, new ConfigurationBuilder().AddJsonStream(new MemoryStream(Encoding.UTF8.GetBytes($$"""{ "Training": {{method}} }"""))));
    }

    [Theory, MemberData(nameof(Methods))]
    public void Every_option_goes_through_texts_as_environment_variables_are(string name)
    {
        foreach (var method in ChangedOptions.Of(LowRankStrategies.Create(name)))
            Read(method, new ConfigurationBuilder().AddInMemoryCollection(Texts("TRAINING", JsonNode.Parse(method.ToString()!))));
    }

    /// <summary>Where the method is refused, by what is wrong with it and not by how it was read.</summary>
    private static void Read(ILowRankStrategy method, IConfigurationBuilder configuration)
    {
        using var services = new ServiceCollection().AddLowRankTraining(configuration.Build().GetSection("Training")).BuildServiceProvider();
        var read = () => services.GetRequiredService<ILowRankStrategy>();

        var failures = method is IPart part ? Checks.Of(part) : [];
        if (failures.Count > 0)
            read.Should().Throw<OptionsValidationException>($"of {method}").Which.Failures.Should().Equal(failures.Select(failure => $"Training: {failure}"));
        else
            PartWriter.Full(read()).ToJsonString().Should().Be(PartWriter.Full(method).ToJsonString(), $"of {method}");
    }

    private static IEnumerable<KeyValuePair<string, string?>> Texts(string path, JsonNode? node) => node switch
    {
        JsonObject options => options.SelectMany(option => Texts($"{path}:{option.Key}", option.Value)),
        JsonArray items => items.SelectMany((item, index) => Texts($"{path}:{index}", item)),
        _ => [KeyValuePair.Create<string, string?>(path, node is null ? "" : node.ToString())],
    };
}
