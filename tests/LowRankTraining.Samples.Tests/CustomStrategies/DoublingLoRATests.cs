using CustomStrategy;
using FluentAssertions;
using LowRankTraining.Layers;
using Microsoft.Extensions.Options;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Samples.Tests.CustomStrategies;

/// <summary>A weight-space method from another assembly does what it says, with nothing but what is public.</summary>
public class DoublingLoRATests
{
    [Fact]
    public void Run_from_a_checkpoint_is_the_same_run()
    {
        using var folder = new TemporaryFolder();
        var (first, last, resumed) = Walkthrough.Run(new DoublingLoRA { Rank = 8, FirstMerge = 30 }, learningRate: 0.01, folder.Path, TextWriter.Null);

        last.Should().BeLessThan(0.9f * first).And.Be(resumed);
    }

    [Fact]
    public void Own_start_leaves_the_function_as_it_is_and_lies_in_the_span_of_the_weight()
    {
        using var scope = NewDisposeScope();
        using var model = nn.Sequential(("only", nn.Linear(12, 6)));
        var (input, weight) = (ones(3, 12), model.named_parameters().First().parameter.detach().clone());
        var before = model.call(input);
        using var session = new DoublingLoRA { Rank = 4 }.Attach(model);
        var layer = (LowRankLinear)model.named_children().First().module;

        (model.call(input) - before).abs().max().ToSingle().Should().Be(0);
        (layer.lora_A.mm(layer.lora_A.t()) - eye(4)).abs().max().ToSingle().Should().BeLessThan(1e-5f);
        var rows = linalg.qr(weight.t()).Q;
        (layer.lora_A.mm(rows).mm(rows.t()) - layer.lora_A).abs().max().ToSingle().Should().BeLessThan(1e-5f);
        layer.Scale.Should().Be(4 / Math.Sqrt(4));
    }

    [Fact]
    public void Weight_takes_the_factors_in_at_the_merges_and_at_no_other_step()
    {
        int[] merges = [3, 9, 21];
        using var model = nn.Sequential(("only", nn.Linear(12, 6)));
        using var optimizer = new DoublingLoRA { Rank = 4, FirstMerge = 3 }.Attach(model).CreateOptimizer(0.01);
        var layer = (LowRankLinear)model.named_children().First().module;

        for (var step = 1; step <= 22; step++)
        {
            using var scope = NewDisposeScope();
            var before = layer.weight.detach().clone();
            optimizer.zero_grad();
            model.call(ones(3, 12)).square().sum().backward();
            optimizer.step();
            layer.weight.eq(before).all().ToBoolean().Should().Be(!merges.Contains(step), $"step {step}");
        }
    }

    [Fact]
    public void Option_out_of_range_is_refused_with_its_path() =>
        new Action(() => new DoublingLoRA { FirstMerge = 0 }.Attach(nn.Sequential(("only", nn.Linear(12, 6)))))
            .Should().Throw<OptionsValidationException>().WithMessage("*DoublingLoRA.FirstMerge is 0: it must be at least 1*");
}
