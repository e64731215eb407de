using System.Reflection;
using FluentAssertions;
using Microsoft.Extensions.Logging;
using Xunit;

namespace LowRankTraining.Tests.Diagnostics;

/// <summary>A filter on an event id catches one message.</summary>
public class EventIdTests
{
    /// <summary>First and last id of each class of messages, as its summary says.</summary>
    private static readonly Dictionary<string, (int First, int Last)> Ranges = new()
    {
        ["Log"] = (1, 19),
        ["AdapterLog"] = (20, 39),
        ["MixerLog"] = (40, 59),
        ["WeLoreLog"] = (60, 60),
        ["InRankLog"] = (61, 69),
        ["PriLoRALog"] = (70, 79),
        ["SLTrainLog"] = (80, 99),
        ["CheckpointLog"] = (100, 119),
    };

    private const BindingFlags Declared =
        BindingFlags.Static | BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;

    private static readonly (string Class, string Message, int Id)[] Events =
    [
        .. from type in typeof(ILowRankStrategy).Assembly.GetTypes()
           from method in type.GetMethods(Declared)
           let attribute = method.GetCustomAttribute<LoggerMessageAttribute>()
           where attribute is not null
           select (type.Name, method.Name, attribute.EventId),
    ];

    [Fact]
    public void No_two_messages_share_an_event_id() => Events.GroupBy(message => message.Id).Where(group => group.Count() > 1).Should().BeEmpty();

    [Fact]
    public void Event_ids_lie_in_the_range_of_their_class()
    {
        Events.Select(message => message.Class).Distinct().Should().BeEquivalentTo(Ranges.Keys);
        Events.Should().OnlyContain(message => message.Id >= Ranges[message.Class].First && message.Id <= Ranges[message.Class].Last);
    }
}
