using FluentAssertions;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Documentation.Snippets;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Rules;

/// <summary>Moments in 8 bits train a language model as float32 ones do: rows of the table are absent at most steps.</summary>
public class ShortMomentsOnTextTests
{
    /// <summary>Fewer than the table has: the others are absent at all steps.</summary>
    private const int Words = 23;

    [Theory]
    [InlineData("galore"), InlineData("fira")]
    public void Loss_is_within_a_percent_of_that_of_float32(string name)
    {
        GradientSpaceMethod method = name == "galore" ? new GaLore { Rank = 8, RefreshEvery = 20 } : new Fira { Rank = 8, RefreshEvery = 20 };
        var eight = StateFormat.Blockwise8Bit with { Threshold = 64 };

        var whole = Loss(method);

        Loss(method with { States = eight }).Should().BeInRange(0.9 * whole, 1.01 * whole);
        Loss(method with { States = eight, TableStates = eight }).Should().BeInRange(0.9 * whole, 1.01 * whole);
    }

    /// <summary>The mean loss of the last steps, on a text whose next word follows from the one before, but for noise.</summary>
    private static double Loss(GradientSpaceMethod method)
    {
        using var scope = NewDisposeScope();
        random.manual_seed(1);
        using var model = new LanguageModel();
        using var optimizer = method.Attach(model).CreateOptimizer(lr: 0.01);
        var losses = new List<double>();
        for (ulong step = 1; step <= 150; step++)
        {
            using var inner = NewDisposeScope();
            using var draw = new Generator(step, CPU);
            optimizer.zero_grad();
            var loss = LossOn(model, draw);
            loss.backward();
            optimizer.step();
            losses.Add(loss.ToDouble());
        }

        return losses.TakeLast(30).Average();
    }

    /// <summary>The loss of predicting each next word.</summary>
    private static Tensor LossOn(LanguageModel model, Generator draw)
    {
        var tokens = new List<Tensor> { randint(Words, [8], ScalarType.Int64, generator: draw) };
        for (var place = 1; place < 17; place++)
        {
            var noise = rand(8, generator: draw).lt(0.2);
            tokens.Add(where(noise, randint(Words, [8], ScalarType.Int64, generator: draw), (tokens[^1] * 7 + 3).remainder(Words)));
        }

        var text = stack(tokens, 1);
        return nn.functional.cross_entropy(model.call(text.narrow(1, 0, 16)).reshape(-1, LanguageModel.Vocabulary), text.narrow(1, 1, 16).reshape(-1));
    }
}
