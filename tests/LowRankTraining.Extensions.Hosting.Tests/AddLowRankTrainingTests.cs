using System.Text;
using FluentAssertions;
using LowRankTraining.Layers;
using LowRankTraining.Parts;
using LowRankTraining.Schedules;
using LowRankTraining.Strategies;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Extensions.Hosting.Tests;

public class AddLowRankTrainingTests
{
    [Fact]
    public void Section_becomes_the_method_with_its_parts()
    {
        using var services = Services("""
            { "Training": { "Method": "fira", "Rank": 64, "States": "8bit", "Basis": { "Kind": "dct" }, "Refresh": "staggered",
                            "Inner": { "Kind": "lion", "Beta1": 0.95 }, "Limiter": { "MaxGrowth": 1.05 } } }
            """);
        services.GetRequiredService<ILowRankStrategy>().Should().Be(new Fira
        {
            Rank = 64, States = StateFormat.Blockwise8Bit, Basis = new DctBasis(), Refresh = new StaggeredRefresh(),
            Inner = new LionRule { Beta1 = 0.95 }, Limiter = new NormGrowthLimiter { MaxGrowth = 1.05 },
        });
    }

    [Fact]
    public void Every_method_prints_a_section_that_makes_it()
    {
        foreach (var row in LowRankStrategies.All)
        {
            var method = row.Create();
            using var services = Services($$"""{ "Training": {{method}} }""");
            services.GetRequiredService<ILowRankStrategy>().Should().Be(method);
        }
    }

    [Fact]
    public void Name_alone_is_enough()
    {
        using var services = Services("""{ "Training": "galore" }""");
        services.GetRequiredService<ILowRankStrategy>().Should().Be(new GaLore());
    }

    [Fact]
    public void Method_that_the_options_framework_binds_by_itself_is_checked()
    {
        using var services = new ServiceCollection()
            .Configure<Fira>(Read("""{ "Fira": { "Rank": 0, "Beta1": 1.5 } }""").GetSection("Fira"))
            .AddSingleton<IValidateOptions<Fira>, OptionsValidator<Fira>>()
            .BuildServiceProvider();

        var read = () => services.GetRequiredService<IOptions<Fira>>().Value;

        read.Should().Throw<OptionsValidationException>().Which.Failures.Should().HaveCount(2).And.Contain(failure => failure.Contains("Rank"))
            .And.Contain(failure => failure.Contains("Beta1"));
    }

    [Fact]
    public void Patterns_and_lists_are_read()
    {
        using var services = Services("""
            { "Training": { "Method": "lora", "RankPattern": { "q_proj": 4 }, "Targets": ["q_proj", "v_proj"], "Except": ["layers.0"], "LearningRate": 3e-4,
                            "WeightDecay": 0.1, "Schedule": { "Kind": "cosine", "TotalSteps": 100, "Warmup": 10 } } }
            """);
        var options = services.GetRequiredService<IOptions<LowRankTrainingOptions>>().Value;
        ((LoRA)options.Method!).RankPattern.Should().Equal(new Dictionary<string, int> { ["q_proj"] = 4 });
        options.Targets.Should().Equal("q_proj", "v_proj");
        options.Except.Should().Equal("layers.0");
        options.LearningRate.Should().Be(3e-4);
        options.WeightDecay.Should().Be(0.1);
        options.Schedule.Should().Be(new CosineSchedule { TotalSteps = 100, Warmup = 10 });
    }

    [Fact]
    public void Optimizer_has_the_configured_rates_and_targets()
    {
        using var services = Services("""
            { "Training": { "Method": "galore", "Rank": 2, "LearningRate": 0.5, "WeightDecay": 0.25, "Except": ["0.weight"],
                            "Schedule": { "Kind": "linear", "TotalSteps": 10, "Warmup": 0 } } }
            """);
        var options = services.GetRequiredService<LowRankTrainingOptions>();
        using var model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8));
        using var optimizer = options.CreateOptimizer(model);

        optimizer.ParamGroups.Single().LearningRate.Should().Be(0.5);
        MemoryPlan.For(optimizer.Session).Parameters.Select(parameter => parameter.StateBytes).Should()
            .Equal([8 * 64, 8 * 8, 4 * 2 * (8 + 2 * 8), 8 * 8], "the first weight has moments of its own shape, the second a subspace");
        options.BindSchedule(optimizer)!.step();
        optimizer.ParamGroups.Single().LearningRate.Should().BeInRange(0.4, 0.4999);
    }

    [Theory]
    [InlineData("""{ "Method": "fira", "Rnak": 3 }""", "Training:Rnak is no option of fira. The nearest names are Rank, *")]
    [InlineData("""{ "Method": "fira", "LearningRat": 3 }""", "Training:LearningRat is no option of fira. The nearest names are LearningRate, *")]
    [InlineData("""{ "Method": "fria" }""", "Training:Method is 'fria', which is no method. The nearest names are fira, *")]
    [InlineData("""{ "Rank": 3 }""", "Training has Rank, but no Method: it must be one of *")]
    [InlineData("""{ "Method": "fira", "States": "8bits" }""", "Training:States is '8bits', which is no state format. The nearest names are 8bit, *")]
    [InlineData("""{ "Method": "fira", "Basis": { "Kind": "dct", "Rnak": 1 } }""", "Training:Basis:Rnak is no option of dct, which has none.")]
    [InlineData("""{ "Method": "fira", "Rank": 0 }""", "Training: Fira.Rank is 0: it must be at least 1.")]
    [InlineData("""{ "Method": "fira", "Limiter": { "MaxGrowth": 0.5 } }""", "Training: Fira.Limiter.MaxGrowth is 0.5: it must be above 1.")]
    [InlineData("""{ "Method": "fira", "LearningRate": -1 }""", "Training:LearningRate is -1: it must be a number of at least 0.")]
    [InlineData("""{ "Method": "fira", "LearningRate": "fast" }""", "Training:LearningRate is 'fast': it must be a number.")]
    [InlineData("""{ "Method": "fira", "LearningRate": "0,01" }""", "Training:LearningRate is '0,01': it must be a number, with a point: 0.01.")]
    [InlineData("""{ "Method": "fira", "Gradients": "projekted" }""", "Training:Gradients is 'projekted'. The nearest names are Projected, *")]
    [InlineData("""{ "Method": "fira", "Schedule": "cosin" }""", "Training:Schedule is 'cosin', which is no learning-rate schedule. *cosine, *")]
    [InlineData("""{ "Method": "fira", "Schedule": { "Kind": "cosine", "TotalSteps": 0 } }""", "Training: CosineSchedule.TotalSteps is 0: it must be at least "
        + "1.")]
    public async Task Host_does_not_start_with_what_is_wrong(string section, string failure)
    {
        using var host = Host(
            $$"""{ "Training": {{section}} }""",
            (services, configuration) => services.AddLowRankTraining(configuration.GetSection("Training")));
        var start = () => host.StartAsync();
        (await start.Should().ThrowAsync<OptionsValidationException>()).Which.Failures.Should().ContainSingle().Which.Should().Match(failure);
    }

    [Theory]
    [InlineData("galore", "first.weight", "picture.weight")]
    [InlineData("lora", "first.weight")]
    public void What_is_left_out_is_left_out_of_the_methods_own_choice(string method, params string[] targets)
    {
        using var services = Services($$"""{ "Training": { "Method": "{{method}}", "Rank": 2, "Except": ["gate"] } }""");
        using var model = nn.Sequential(
            ("table", nn.Embedding(24, 8)), ("first", nn.Linear(8, 8)), ("gate", nn.Linear(8, 8)), ("picture", nn.Conv2d(8, 8, 3)),
            ("lm_head", nn.Linear(8, 24)));
        using var optimizer = services.GetRequiredService<LowRankTrainingOptions>().CreateOptimizer(model);

        var chosen = optimizer.Session is AdapterSession adapted
            ? adapted.Layers.Select(layer => layer.Name)
            : optimizer.Session.Parameters.Where(plan => plan.Rule is SubspaceRule).Select(plan => plan.Name);
        chosen.Should().Equal(targets);
    }

    /// <summary>A list that is empty, as a template has it, says nothing.</summary>
    [Theory]
    [InlineData("[]"), InlineData("null")]
    public void Empty_lists_are_as_if_they_were_not_there(string empty)
    {
        using var services = Services($$"""
            { "Training": { "Method": "galore", "Rank": 2, "Targets": {{empty}}, "Except": {{empty}}, "Overrides": {{empty}} } }
            """);
        using var model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8));
        using var optimizer = services.GetRequiredService<LowRankTrainingOptions>().CreateOptimizer(model);

        services.GetRequiredService<ILowRankStrategy>().Should().Be(new GaLore { Rank = 2 });
        optimizer.Session.Parameters.Count(plan => plan.Rule is SubspaceRule).Should().Be(2);
    }

    [Fact]
    public void Options_that_code_sets_to_null_are_empty() =>
        new LowRankTrainingOptions { Targets = null!, Except = null! }.Should().BeEquivalentTo(new LowRankTrainingOptions());

    /// <summary>The word of a part in a file, and an option of it in the environment.</summary>
    [Fact]
    public void Word_from_one_source_and_options_from_another_are_one_part()
    {
        var read = () => Method(("Training", "fira"), ("Training:Rank", "8"), ("Training:Refresh", "staggered"), ("Training:Refresh:Every", "50"));

        read().Should().Be(new Fira { Rank = 8, Refresh = new StaggeredRefresh { Every = 50 } });
    }

    [Fact]
    public void Two_sources_with_different_words_for_one_part_are_named()
    {
        var read = () => Method(("Training:Method", "fira"), ("Training:Refresh", "staggered"), ("Training:Refresh:Kind", "periodic"));

        read.Should().Throw<OptionsValidationException>().Which.Failures.Should()
            .Equal("Training:Refresh is 'staggered', and Training:Refresh:Kind is 'periodic': give one of them.");
    }

    [Fact]
    public void Gradients_take_the_configured_way()
    {
        using var services = Services("""{ "Training": { "Method": "galore", "Rank": 2, "Gradients": "projected" } }""");
        using var model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8));
        using var optimizer = services.GetRequiredService<LowRankTrainingOptions>().CreateOptimizer(model);

        model.call(ones(4, 8)).sum().backward();

        model.get_parameter("0.weight")!.grad.Should().BeNull("it is projected in the backward pass");
        model.get_parameter("0.bias")!.grad.Should().NotBeNull();
    }

    [Fact]
    public async Task Section_that_is_not_there_is_named()
    {
        using var host = Host("{}", (services, configuration) => services.AddLowRankTraining(configuration.GetSection("Training")));
        var start = () => host.StartAsync();
        (await start.Should().ThrowAsync<OptionsValidationException>()).Which.Failures.Should().Equal("Training is missing: give a method.");
    }

    [Fact]
    public async Task Everything_wrong_is_listed_at_once()
    {
        using var host = Host("""{ "Training": { "Method": "fira", "Rnak": 3, "Side": "shot", "WeightDecay": "x" } }""",
            (services, configuration) => services.AddLowRankTraining(configuration.GetSection("Training")));
        var start = () => host.StartAsync();
        (await start.Should().ThrowAsync<OptionsValidationException>()).Which.Failures.Should().HaveCount(3);
    }

    [Fact]
    public void Several_configurations_are_keyed_services()
    {
        var configuration = Read("""{ "First": { "Method": "galore", "Rank": 4 }, "Second": { "Method": "lora", "Rank": 2 } }""");
        using var services = new ServiceCollection().AddLowRankTraining("first", configuration.GetSection("First"))
            .AddLowRankTraining("second", configuration.GetSection("Second")).BuildServiceProvider();

        services.GetRequiredKeyedService<ILowRankStrategy>("first").Should().Be(new GaLore { Rank = 4 });
        services.GetRequiredKeyedService<ILowRankStrategy>("second").Should().Be(new LoRA { Rank = 2 });
        services.GetRequiredService<IOptionsMonitor<LowRankTrainingOptions>>().Get("second").Method.Should().Be(new LoRA { Rank = 2 });
        services.GetService<ILowRankStrategy>().Should().BeNull();
    }

    [Fact]
    public async Task One_wrong_configuration_of_several_is_named_alone()
    {
        using var host = Host("""{ "First": { "Method": "galore" }, "Second": { "Method": "lora", "Rank": 0 } }""", (services, configuration) => services
            .AddLowRankTraining("first", configuration.GetSection("First")).AddLowRankTraining("second", configuration.GetSection("Second")));
        var start = () => host.StartAsync();
        (await start.Should().ThrowAsync<OptionsValidationException>()).Which.Failures.Should().ContainSingle().Which.Should()
            .StartWith("Second: LoRA.Rank is 0");
    }

    [Fact]
    public void Method_reports_to_the_loggers_of_the_program()
    {
        var messages = new Messages();
        var configuration = Read("""{ "Training": { "Method": "galore", "Rank": 100 }, "Adapters": { "Method": "lora", "Rank": 100 } }""");
        using var services = new ServiceCollection().AddLogging(logging => logging.AddProvider(messages))
            .AddLowRankTraining(configuration.GetSection("Training")).AddLowRankTraining("adapters", configuration.GetSection("Adapters"))
            .BuildServiceProvider();
        using var model = nn.Sequential(nn.Linear(8, 8));
        using (services.GetRequiredService<ILowRankStrategy>().Attach(model)) { }

        messages.All.Should().ContainMatch("LowRankTraining: galore: the rank is above *").And.OnlyContain(message => message.StartsWith("LowRankTraining: "));
        services.GetRequiredKeyedService<ILowRankStrategy>("adapters").Logger.Should().NotBeNull();
    }

    private static ServiceProvider Services(string json) =>
        new ServiceCollection().AddLowRankTraining(Read(json).GetSection("Training")).BuildServiceProvider();

    private static ILowRankStrategy Method(params (string Key, string Value)[] texts)
    {
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(texts.ToDictionary(text => text.Key, text => (string?)text.Value)).Build();
        using var services = new ServiceCollection().AddLowRankTraining(configuration.GetSection("Training")).BuildServiceProvider();
        return services.GetRequiredService<ILowRankStrategy>();
    }

    private static IConfigurationRoot Read(string json) =>
        new ConfigurationBuilder().AddJsonStream(new MemoryStream(Encoding.UTF8.GetBytes(json))).Build();

    private static IHost Host(string json, Action<IServiceCollection, IConfiguration> add)
    {
        var builder = new HostApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        add(builder.Services, Read(json));
        return builder.Build();
    }

    private sealed class Messages : ILoggerProvider, ILogger
    {
        private string _category = "";

        public List<string> All { get; } = [];

        public ILogger CreateLogger(string categoryName)
        {
            _category = categoryName;
            return this;
        }

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            All.Add($"{_category}: {formatter(state, exception)}");

        public void Dispose() { }
    }
}
