using System.Text.Json;
using FluentAssertions;
using LowRankTraining.Checkpoints;
using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Adapters;
using TorchSharp;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Checkpoints;

/// <summary>An adapter is all that was trained: factors wherever they are, and what is trained beside them.</summary>
public class PeftBesideTests
{
    [Theory]
    [InlineData(false), InlineData(true)]
    public void Factors_that_live_with_the_optimizer_are_saved_as_the_change_that_they_are(bool passesHooksBy)
    {
        using var folder = new TemporaryDirectory();
        var injection = passesHooksBy ? Injection.Auto : Injection.Shadow;
        using var model = Seeded(new SealedNetwork(passesHooksBy));
        using var optimizer = new LoRA { Rank = 4, Alpha = 8, Injection = injection }.Attach(model).CreateOptimizer(0.01);
        Run(model, optimizer, 5);
        PeftAdapter.Save(folder.Path, optimizer.Session);

        using var other = Seeded(new SealedNetwork());
        using var session = PeftAdapter.MethodOf(folder.Path).Attach(other, PeftAdapter.TargetsOf(folder.Path));
        PeftAdapter.Load(folder.Path, session);

        Distance(Output(other), Output(model)).Should().BeLessThan(1e-5);
        Distance(Output(other), Output(Seeded(new SealedNetwork()))).Should().BeGreaterThan(1e-3, "five steps change the model");
    }

    [Fact]
    public void Shadowed_factors_are_loaded_once_there_is_an_optimizer_and_those_of_a_decomposed_weight_cannot_be_saved()
    {
        using var folder = new TemporaryDirectory();
        using var model = Seeded(new OpenNetwork());
        using var session = new LoRA { Rank = 4, Injection = Injection.Shadow }.Attach(model);
        PeftAdapter.Save(folder.Path, session);
        FluentActions.Invoking(() => PeftAdapter.Load(folder.Path, session)).Should().Throw<InvalidOperationException>()
            .WithMessage("*shadowed*CreateOptimizer()*Nothing was changed*");

        using var other = Seeded(new OpenNetwork());
        using var decomposed = new LoRA { Rank = 4, Injection = Injection.Shadow, Init = FactorInit.PiSSA }.Attach(other);
        FluentActions.Invoking(() => PeftAdapter.Save(folder.Path, decomposed)).Should().Throw<NotSupportedException>().WithMessage("*shadowed*Finish()*");
    }

    [Theory]
    [InlineData(Injection.Replace), InlineData(Injection.Hook)]
    public void What_is_trained_beside_the_factors_is_saved_with_them(Injection injection)
    {
        using var folder = new TemporaryDirectory();
        using var model = Seeded(new OpenNetwork());
        using var optimizer = new LoRA { Rank = 4, Alpha = 8, Injection = injection, TrainOthers = true }.Attach(model).CreateOptimizer(0.01);
        Run(model, optimizer, 5);
        PeftAdapter.Save(folder.Path, optimizer.Session);

        using var other = Seeded(new OpenNetwork());
        using var session = PeftAdapter.MethodOf(folder.Path).Attach(other, PeftAdapter.TargetsOf(folder.Path));
        PeftAdapter.Load(folder.Path, session);

        Output(other).Should().Equal(Output(model));
        using var config = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder.Path, "adapter_config.json")));
        config.RootElement.GetProperty("modules_to_save").EnumerateArray().Select(name => name.GetString()).Should().Equal("norm", "lm_head");
    }

    [Fact]
    public void Adapter_of_factors_alone_names_no_modules()
    {
        using var folder = new TemporaryDirectory();
        using var model = Seeded(new OpenNetwork());
        using var session = new LoRA { Rank = 4 }.Attach(model);
        PeftAdapter.Save(folder.Path, session);

        using var config = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder.Path, "adapter_config.json")));
        config.RootElement.GetProperty("modules_to_save").ValueKind.Should().Be(JsonValueKind.Null);
    }

    [Fact]
    public void Method_without_factors_is_told_to_save_the_model()
    {
        using var folder = new TemporaryDirectory();
        using var model = Seeded(new OpenNetwork());
        using var optimizer = new GaLore { Rank = 4 }.Attach(model).CreateOptimizer(0.01);

        FluentActions.Invoking(() => PeftAdapter.Save(folder.Path, optimizer.Session)).Should().Throw<NotSupportedException>()
            .WithMessage("'galore' trains the weights themselves*save the model*");
        FluentActions.Invoking(() => PeftAdapter.Load(folder.Path, optimizer.Session)).Should().Throw<NotSupportedException>();
        Directory.GetFiles(folder.Path).Should().BeEmpty();
    }
}
