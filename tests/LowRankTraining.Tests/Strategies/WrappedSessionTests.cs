using FluentAssertions;
using LowRankTraining.Strategies;
using Xunit;

namespace LowRankTraining.Tests.Strategies;

public class WrappedSessionTests
{
    /// <summary>What a session says by default is not what the one inside says.</summary>
    [Fact]
    public void Everything_is_asked_of_the_session_inside()
    {
        string[] madeOfOthers = [nameof(ILowRankSession.Describe), nameof(ILowRankSession.CanDivide)];

        var defaults = typeof(WrappedSession).GetInterfaceMap(typeof(ILowRankSession)).TargetMethods.Where(target => target.DeclaringType!.IsInterface);

        defaults.Select(target => target.Name).Should().BeEquivalentTo(madeOfOthers);
    }
}
