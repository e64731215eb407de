using System.Reflection;
using FluentAssertions;
using Microsoft.Extensions.Logging;
using Xunit;

namespace LowRankTraining.Tests.Diagnostics;

/// <summary>A filter on an event id catches one message.</summary>
public class EventIdTests
{
    private const BindingFlags Declared =
        BindingFlags.Static | BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;

    private static readonly (string Message, int Id)[] Events =
    [
        .. from type in typeof(ILowRankStrategy).Assembly.GetTypes()
           from method in type.GetMethods(Declared)
           let attribute = method.GetCustomAttribute<LoggerMessageAttribute>()
           where attribute is not null
           select (method.Name, attribute.EventId),
    ];

    [Fact]
    public void No_two_messages_share_an_event_id() => Events.GroupBy(message => message.Id).Where(group => group.Count() > 1).Should().BeEmpty();
}
