using FluentAssertions;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Battery.Grid;

/// <summary>What cannot work is refused before anything is changed, with words that say what works, and that works.</summary>
public class RefusalTests : IClassFixture<OneThread>
{
    public static TheoryData<string, string> AtAttach =>
        GridTests.Where((style, method) => Of(style, method).Any(refusal => !refusal.ComesWithTheFirstStep));

    public static TheoryData<string, string> AtTheFirstStep =>
        GridTests.Where((style, method) => Of(style, method).Any(refusal => refusal.ComesWithTheFirstStep));

    public static TheoryData<string, string> Advised
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (var (style, advice) in Refusals.All.SelectMany(refusal => refusal.Styles.Select(style => (style, refusal.Advice))).Distinct())
                data.Add(style, advice);
            return data;
        }
    }

    [Theory, MemberData(nameof(AtAttach))]
    public void Attaching_is_refused_with_advice_and_changes_nothing(string style, string method)
    {
        using var model = Styles.ByName[style].Make(seed: 1);
        var (anatomy, bits, output) = (Anatomy.Of(model), Problems.Bits(model), Styles.ByName[style].OutputOf(model));

        var attach = () => Methods.Make(method).Attach(model, Styles.ByName[style].Targets);

        var message = attach.Should().Throw<ArgumentException>().Which.Message;
        message.Should().ContainAll(Of(style, method).SelectMany(refusal => new[] { refusal.Reason, refusal.Advice })).And.EndWith("Nothing was changed.");
        Anatomy.Of(model).Should().BeEquivalentTo(anatomy, order => order.WithStrictOrdering());
        Problems.Bits(model).Should().Equal(bits);
        Styles.ByName[style].OutputOf(model).Should().Equal(output);
    }

    [Theory, MemberData(nameof(AtTheFirstStep))]
    public void First_step_is_refused_with_advice_and_changes_nothing(string style, string method)
    {
        using var run = new Run(style, method);
        var bits = Problems.Bits(run.Model);

        foreach (var _ in Enumerable.Range(0, 3))
        {
            var message = run.Invoking(untrained => untrained.Until(1)).Should().Throw<InvalidOperationException>("as often as it is tried").Which.Message;
            message.Should().ContainAll(Of(style, method).SelectMany(refusal => new[] { refusal.Reason, refusal.Advice })).And.EndWith("Nothing was changed.");
        }

        Problems.Bits(run.Model).Should().Equal(bits);
        run.Optimizer.CompletedSteps.Should().Be(0);
        run.Optimizer.Session.Finish();
        using var plain = Styles.ByName[style].Make(seed: 1);
        Anatomy.Of(run.Model).Should().BeEquivalentTo(Anatomy.Of(plain), order => order.WithStrictOrdering());
        run.Output().Zip(Styles.ByName[style].OutputOf(plain), (finished, original) => Math.Abs(finished - original)).Max().Should().BeLessThan(1e-5);
    }

    [Theory, MemberData(nameof(Advised))]
    public void Advice_works(string style, string advice)
    {
        foreach (var refusal in Refusals.All.Where(refusal => refusal.Advice == advice && refusal.Styles.Contains(style)))
        {
            using var run = refusal.FollowAdvice(Styles.ByName[style]);

            var losses = run.Until(2 * Methods.Period);

            losses[^1].Should().BeLessThan(losses[0]);
        }
    }

    private static IEnumerable<Refusal> Of(string style, string method) => Refusals.All.Where(refusal => refusal.Holds(style, method));
}
