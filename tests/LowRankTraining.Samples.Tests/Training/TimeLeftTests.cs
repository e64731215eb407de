using FluentAssertions;
using LanguageModel.Training;
using Xunit;

namespace LowRankTraining.Samples.Tests.Training;

public class TimeLeftTests
{
    [Fact]
    public void Validations_count_at_their_own_pace()
    {
        var left = new TimeLeft(validationInSteps: 16);
        left.AddStep(1);
        left.AddStep(3);
        left.AddValidation(30);

        left.Estimate(stepsLeft: 10, validationsLeft: 2).Should().Be(TimeSpan.FromSeconds(10 * 2 + 2 * 30));
    }

    [Fact]
    public void First_validation_is_expected_to_take_the_forward_third_of_its_tokens()
    {
        var left = new TimeLeft(validationInSteps: 12);
        left.AddStep(2);

        left.Estimate(stepsLeft: 5, validationsLeft: 1).Should().BeCloseTo(TimeSpan.FromSeconds(5 * 2 + 12 * 2 / 3.0), TimeSpan.FromMilliseconds(1));
    }

    [Fact]
    public void Nothing_is_promised_before_the_first_step() => new TimeLeft(1).Estimate(10, 1).Should().Be(TimeSpan.Zero);
}
