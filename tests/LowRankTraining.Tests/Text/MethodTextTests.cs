using System.Text.Json;
using System.Text.Json.Nodes;
using FluentAssertions;
using LowRankTraining.Layers;
using LowRankTraining.Parts;
using LowRankTraining.Schedules;
using LowRankTraining.Strategies;
using LowRankTraining.Text;
using Microsoft.Extensions.Options;
using Xunit;

namespace LowRankTraining.Tests.Text;

public class MethodTextTests
{
    public static TheoryData<string> Methods => [.. LowRankStrategies.All.Select(method => method.Name)];

    [Fact]
    public void Method_prints_itself_with_what_is_not_by_default()
    {
        new Fira().ToString().Should().Be("""{"Method":"fira"}""");
        new Fira { Rank = 64, States = StateFormat.Blockwise8Bit, Basis = new DctBasis(), Refresh = new StaggeredRefresh { Every = 100 } }.ToString().Should()
            .Be(
            """{"Method":"fira","Basis":"dct","Rank":64,"Refresh":{"Kind":"staggered","Every":100},"States":"8bit"}""");
        new ReLoRA { MergeEvery = 1000, RankPattern = new Dictionary<string, int> { ["q_proj"] = 4 } }.ToString().Should().Be(
            """{"Method":"relora","MergeEvery":1000,"RankPattern":{"q_proj":4}}""");
        Apollo.Mini.ToString().Should().Be("""{"Method":"apollo-mini"}""");
        (Apollo.Mini with { Seed = 7 }).ToString().Should().Be("""{"Method":"apollo-mini","Seed":7}""");
    }

    /// <summary>It is for every matrix, and one that nobody asked for is not for small ones.</summary>
    [Fact]
    public void Rank_that_is_asked_for_is_written_though_it_is_the_default_one()
    {
        ILowRankStrategy[] asking = [new GaLore { Rank = 128 }, new ReLoRA { Rank = 128 }, new MoFaSgd { Rank = 128 }, new Apollo { Rank = 256 }];
        foreach (var method in asking)
        {
            method.ToString().Should().Contain("\"Rank\":");
            LowRankStrategies.Parse(method.ToString()!).Should().Be(method).And.NotBe(LowRankStrategies.Create(method.Name));
        }
    }

    [Fact]
    public void Text_gives_the_parts_that_it_names()
    {
        var galore = (GaLore)LowRankStrategies.Parse(
            """
            {
                "method": "GaLore", "rank": "64", "basis_format": "affine4bit",         // keys and words in any case, numbers as texts
                "States": { "Kind": "8bit", "Block": 128 },
                "Refresh": "staggered",
                "Inner": { "Kind": "lion", "Beta1": 0.95 },
            }
            """);
        galore.Should().Be(new GaLore
        {
            Rank = 64, BasisFormat = StateFormat.Affine4Bit, States = StateFormat.Blockwise8Bit with { Block = 128 },
            Refresh = new StaggeredRefresh(), Inner = new LionRule { Beta1 = 0.95 },
        });

        LowRankStrategies.Parse("""{ "Method": "fira", "Limiter": { "MaxGrowth": 1.05 } }""").Should().Be(
            new Fira { Limiter = new NormGrowthLimiter { MaxGrowth = 1.05 } }, "an object without a kind changes the part that is there");
        LowRankStrategies.Parse("""{ "Method": "fira", "Limiter": null }""").Should().Be(new Fira { Limiter = null });
        LowRankStrategies.Parse("""{ "Method": "fira", "Limiter": "none" }""").Should().Be(new Fira { Limiter = null });
        LowRankStrategies.Parse("""{ "Method": "prilora", "Sparsity": "2:4" }""").Should().Be(new PriLoRA { Sparsity = Sparsity.TwoOfFour });
        LowRankStrategies.Parse("""{ "Method": "prilora", "Sparsity": "0.25" }""").Should().BeEquivalentTo(new PriLoRA { Sparsity = Sparsity.Share(0.25) });
        LowRankStrategies.Parse("apollo-mini").Should().Be(Apollo.Mini);
    }

    /// <summary>As numbers are written in half of Europe: between thousands, where a parser may expect it, a comma would make 25 of 0,25.</summary>
    [Theory]
    [InlineData("""{ "Method": "galore", "Scale": "0,25" }""", "Scale is '0,25': it must be a number, with a point: 0.25.")]
    [InlineData("""{ "Method": "galore", "Guard": { "Kind": "spike", "Threshold": "1,000.5" } }""", "Guard:Threshold is '1,000.5': it must be a number*")]
    [InlineData("""{ "Method": "prilora", "Sparsity": "0,5" }""", "Sparsity is '0,5': It must be a share such as 0.5*")]
    [InlineData("""{ "Method": "galore", "Rank": "1,000" }""", "Rank is '1,000': it must be a whole number.")]
    [InlineData("""{ "Method": "galore", "Rank": 99999999999 }""", "Rank is '99999999999': it must be a whole number from -2147483648 to 2147483647.")]
    [InlineData("""{ "Method": "galore", "Seed": -1 }""", "Seed is '-1': it must be a whole number from 0 to 18446744073709551615.")]
    public void Number_in_another_form_is_refused_and_not_read_as_another_one(string text, string failure) =>
        FluentActions.Invoking(() => LowRankStrategies.Parse(text)).Should().Throw<OptionsValidationException>()
            .Which.Failures.Should().ContainSingle().Which.Should().Match(failure);

    [Fact]
    public void What_is_refused_reads_as_sentences() =>
        FluentActions.Invoking(() => LowRankStrategies.Parse("""{ "Method": "galore", "Rank": "1.5", "Rnk": 4 }""")).Should()
            .Throw<OptionsValidationException>().WithMessage("Rank is '1.5': it must be a whole number. Rnk is no option of galore. *");

    [Theory]
    [InlineData("""{ "Method": "galore", "Rank": 4, "Rank": 8 }""", "Rank stands there twice.")]
    [InlineData("""{ "Method": "galore", "Method": "fira" }""", "Method stands there twice.")]
    [InlineData("""{ "Method": "fira", "Limiter": { "MaxGrowth": 2, "MaxGrowth": 3 } }""", "Limiter:MaxGrowth stands there twice.")]
    [InlineData("""{ "Method": "galore", "Overrides": [{ "Pattern": "a" }, { "Pattern": "a", "Pattern": "b" }] }""",
        "Overrides:1:Pattern stands there twice.")]
    public void Key_that_stands_twice_is_named(string text, string failure)
    {
        FluentActions.Invoking(() => LowRankStrategies.Parse(text)).Should().Throw<OptionsValidationException>().Which.Failures.Should().Equal(failure);
        FluentActions.Invoking(() => JsonSerializer.Deserialize<ILowRankStrategy>(text)).Should().Throw<JsonException>().WithMessage(failure);
    }

    [Theory, InlineData("galore"), InlineData("\"galore\""), InlineData("{ \"Method\": \"galore\" }")]
    public void Byte_order_mark_before_a_text_is_passed_over(string text) => LowRankStrategies.Parse($"\uFEFF{text}").Should().Be(new GaLore());

    [Fact]
    public void Name_may_stand_in_quotes_as_in_JSON() => LowRankStrategies.Parse(" \"galore\" ").Should().Be(new GaLore());

    /// <summary>What the nearest other kind of format refuses: of 4 bits a block has an even number.</summary>
    [Fact]
    public void Format_with_a_block_of_odd_size_prints_itself_and_is_read_again()
    {
        var method = new GaLore { States = StateFormat.Blockwise8Bit with { Block = 63 } };

        method.ToString().Should().Be("""{"Method":"galore","States":{"Kind":"8bit","Block":63}}""");
        LowRankStrategies.Parse(method.ToString()).Should().Be(method);
    }

    /// <summary>A part of the only kind that its option takes is written without its kind, and read with it too.</summary>
    [Fact]
    public void Kind_is_not_written_where_no_other_is_possible()
    {
        Print(new GaLore { Overrides = [new() { Pattern = "head", Rank = 4 }] }, """{"Method":"galore","Overrides":[{"Pattern":"head","Rank":4}]}""",
            """{"Method":"galore","Overrides":[{"Kind":"parameter-options","Pattern":"head","Rank":4}]}""");
        Print(new Fira { Limiter = new() { MaxGrowth = 1.05 } }, """{"Method":"fira","Limiter":{"MaxGrowth":1.05}}""",
            """{"Method":"fira","Limiter":{"Kind":"norm-growth-limiter","MaxGrowth":1.05}}""");
        Print(new LowRankFactorization { Ranks = new(new Dictionary<string, int> { ["0"] = 3 }) }, """{"Method":"factorized","Ranks":{"Ranks":{"0":3}}}""",
            """{"Method":"factorized","Ranks":{"Kind":"rank-allocation","Ranks":{"0":3}}}""");
        Print(new DoRA { Projected = new() { Rank = 2 } }, """{"Method":"dora","Projected":{"Rank":2}}""",
            """{"Method":"dora","Projected":{"Method":"gradnormlorp","Rank":2}}""");
        Print(new DoRA { Projected = new() }, """{"Method":"dora","Projected":"gradnormlorp"}""", """{"Method":"dora","Projected":{}}""");
        Print(new Flora { Adafactor = new() { Beta1 = 0.5 } }, """{"Method":"flora","Adafactor":{"Beta1":0.5,"ScaleParameter":false}}""",
            """{"Method":"flora","Adafactor":{"Kind":"adafactor","Beta1":0.5}}""");
        Print(new GaLore { Inner = new LionRule { Beta1 = 0.95 } }, """{"Method":"galore","Inner":{"Kind":"lion","Beta1":0.95}}""");

        static void Print(ILowRankStrategy method, params string[] texts)
        {
            method.ToString().Should().Be(texts[0]);
            foreach (var text in texts)
                PartWriter.Full(LowRankStrategies.Parse(text)).ToJsonString().Should().Be(PartWriter.Full(method).ToJsonString(), $"of {text}");
        }
    }

    [Fact]
    public void Recipe_is_composed_by_text()
    {
        const string Text =
            """{"Method":"recipe","Matrices":{"Kind":"subspace","Basis":"warm-started","Rank":8},"Name":"contoso.own","Others":"adam","Seed":3}""";
        var recipe = (Recipe)LowRankStrategies.Parse(Text);

        recipe.Name.Should().Be("contoso.own");
        recipe.Matrices.Should().Be(new SubspaceRule { Rank = 8, Basis = new WarmStartedBasis() });
        recipe.Seed.Should().Be(3);
        LowRankStrategies.Parse(recipe.ToString()).Should().Be(recipe);
    }

    [Fact]
    public void Options_of_single_parameters_go_through_text_and_back()
    {
        const string Text = """{"Method":"galore","Overrides":[{"Pattern":"q_proj","Rank":4,"States":"8bit"},{"Pattern":"norm","Frozen":true}]}""";
        var galore = (GaLore)LowRankStrategies.Parse(Text);

        galore.Overrides.Should().Equal(
            new ParameterOptions { Pattern = "q_proj", Rank = 4, States = StateFormat.Blockwise8Bit },
                new ParameterOptions { Pattern = "norm", Frozen = true });
        ((GaLore)LowRankStrategies.Parse(galore.ToString())).Overrides.Should().Equal(galore.Overrides);
        FluentActions.Invoking(() => LowRankStrategies.Parse(Text.Replace("Frozen", "Frosen"))).Should().Throw<OptionsValidationException>()
            .Which.Failures.Should().ContainSingle().Which.Should()
            .Match("Overrides:1:Frosen is no option of parameter-options. The nearest names are Frozen, *");
    }

    [Theory]
    [InlineData("fria", "The text is 'fria', which is no method. The nearest names are fira, *")]
    [InlineData("", "The text is missing: give a method.")]
    [InlineData("{}", "The text has no Method: it must be one of adarankgrad, *, dora, factorized, fira, *")]
    [InlineData("""{"Methd":"fira"}""", "The text has Methd, but no Method: it must be one of *")]
    [InlineData("""{"Method":"fira","Rnak":3}""", "Rnak is no option of fira. The nearest names are Rank, *")]
    [InlineData("""{"Method":"fira","States":"8bits"}""", "States is '8bits', which is no state format. The nearest names are 8bit, *")]
    [InlineData("""{"Method":"fira","Basis":{"Kind":"dcd"}}""", "Basis:Kind is 'dcd', which is no basis. The nearest names are dct, *")]
    [InlineData("""{"Method":"fira","Basis":{"Kind":"coordinate","TakeLargest":3}}""",
        "Basis:TakeLargest is no option of coordinate. The only one is TakesLargest.")]
    [InlineData("""{"Method":"fira","Refresh":{"Every":3}}""", "Refresh has Every, but no Kind: it must be one of *lazy, never, *periodic*")]
    [InlineData("""{"Method":"fira","Rank":"many"}""", "Rank is 'many': it must be a whole number.")]
    [InlineData("""{"Method":"fira","Rank":null}""", "Rank is empty: it must be a whole number.")]
    [InlineData("""{"Method":"fira","Rank":[3]}""", "Rank must be a whole number.")]
    [InlineData("""{"Method":"fira","Rank":1e40}""", "Rank is '1e40': it must be a whole number.")]
    [InlineData("""{"Method":"fira","Scale":{}}""", "Scale must be a number.")]
    [InlineData("""{"Method":"fira","Side":"shot"}""", "Side is 'shot'. The nearest names are Short, *")]
    [InlineData("""{"Method":"fira","Inner":[]}""", "Inner is a list: it must be a direction rule.")]
    [InlineData("""{"Method":"fira","Inner":{"Kind":"guarded","Guard":"spike"}}""", "Inner lacks Inner, which a guarded needs.")]
    [InlineData("""{"Method":"fira","States":{"Kind":"8bit","Block":-3}}""", "States:Block cannot be: A block needs * are usual.")]
    [InlineData("""{"Method":"fira","Inner":"none"}""", "Inner is 'none', but fira needs a direction rule: leave it out for its own, or name another.")]
    [InlineData("""{"Method":"galore","Basis":"None"}""", "Basis is 'none', but galore needs a basis: leave it out for its own, or name another.")]
    [InlineData("""{"Method":"galore","Refresh":"none"}""", "Refresh is 'none', but galore needs a refresh policy: *")]
    [InlineData("""{"Method":"fira","States":{"Block":64}}""", "States:Block is no option of float32, which has none.")]
    [InlineData("""{"Method":"prilora","Sparsity":"all"}""", "Sparsity is 'all': It must be a share *")]
    [InlineData("""{"Method":"prilora","Sparsity":"1.5"}""", "Sparsity is '1.5': *between 0 and 1*")]
    [InlineData("""{"Method":"welore","Plan":{}}""", "Plan cannot be given by text: set it in code.")]
    [InlineData("""{"Method":"relora","RankPattern":{"q":"x"}}""", "RankPattern:q is 'x': it must be a whole number.")]
    [InlineData("""{"Method":"relora","RankPattern":3}""", "RankPattern must be an object of names and values.")]
    [InlineData("""{"Method":"relora","RankPattern":[3]}""", "RankPattern must be an object of names and values.")]
    [InlineData("""{"Method":"relora","Overrides":{"Pattern":"q","Rank":4}}""", "Overrides must be a list.")]
    public void What_is_wrong_is_said_with_its_path_and_the_nearest_name(string text, string failure) =>
        FluentActions.Invoking(() => LowRankStrategies.Parse(text)).Should().Throw<OptionsValidationException>()
            .Which.Failures.Should().ContainSingle().Which.Should().Match(failure);

    [Fact]
    public void All_that_is_wrong_is_said_at_once() =>
        FluentActions.Invoking(() => LowRankStrategies.Parse<ILowRankStrategy>(
                JsonNode.Parse("""{"Method":"fira","Rnak":3,"Basis":"dcd","Inner":{"Kind":"lion","Beta1":"x"}}"""), "Training"))
            .Should().Throw<OptionsValidationException>().Which.Failures.Should().HaveCount(3).And.OnlyContain(failure => failure.StartsWith("Training:"));

    [Fact]
    public void Text_that_begins_as_JSON_and_is_none_is_refused() =>
        FluentActions.Invoking(() => LowRankStrategies.Parse("{ \"Method\": ")).Should().Throw<FormatException>().WithMessage("The text is no JSON: *");

    [Theory, MemberData(nameof(Methods))]
    public void Every_option_goes_through_text_and_back(string name)
    {
        var method = LowRankStrategies.Create(name);
        LowRankStrategies.Parse(name).Should().Be(method);
        method.ToString().Should().Be(new JsonObject { ["Method"] = name }.ToJsonString());

        foreach (var changed in ChangedOptions.Of(method))
        {
            var text = changed.ToString()!;
            var read = LowRankStrategies.Parse(text);
            read.ToString().Should().Be(text);
            PartWriter.Full(read).ToJsonString().Should().Be(PartWriter.Full(changed).ToJsonString(), $"of {text}");
            text.Should().NotBe(method.ToString(), "an option was changed");

            JsonSerializer.Deserialize<ILowRankStrategy>(JsonSerializer.Serialize<ILowRankStrategy>(changed))!.ToString().Should().Be(text);
            LowRankStrategies.Parse<ILowRankStrategy>(Texts(JsonNode.Parse(text)!)).ToString().Should().Be(text, "numbers may be texts");
        }
    }

    [Fact]
    public void Schedules_go_through_JSON_and_back()
    {
        ILrSchedule schedule = new JaggedCosineSchedule { TotalSteps = 1000, Warmup = 10, RestartEvery = 100, RestartWarmup = 5 };
        var text = JsonSerializer.Serialize(schedule);
        text.Should().StartWith("""{"Kind":"jagged-cosine",""");
        JsonSerializer.Deserialize<ILrSchedule>(text).Should().Be(schedule);
    }

    [Fact]
    public void JSON_that_names_no_method_is_a_JSON_error() =>
        FluentActions.Invoking(() => JsonSerializer.Deserialize<ILowRankStrategy>("\"fria\"")).Should().Throw<JsonException>()
            .WithMessage("*nearest names are fira*");

    [Fact]
    public void Parts_of_another_assembly_have_words_too()
    {
        var fira = (Fira)LowRankStrategies.Parse("""{"Method":"fira","Basis":{"Kind":"contoso-first-rows","Offset":2}}""");
        fira.Basis.Should().Be(new ContosoFirstRowsBasis { Offset = 2 });
        fira.ToString().Should().Be("""{"Method":"fira","Basis":{"Kind":"contoso-first-rows","Offset":2}}""");
    }

    [Fact]
    public void Words_are_unique() => typeof(ILowRankStrategy).Assembly.GetExportedTypes()
        .Where(type => type.IsAssignableTo(typeof(IPart)) && type.IsAbstract && type != typeof(IPart))
        .Should()
        .AllSatisfy(family => Kinds.For(family).Where(kind => kind.Type.Assembly == family.Assembly).Select(kind => kind.Name).Should().OnlyHaveUniqueItems());

    public sealed record ContosoFirstRowsBasis : IBasis
    {
        public int Offset { get; init; }

        public TorchSharp.torch.Tensor Find(in SubspaceQuery query) => throw new NotSupportedException();
    }

    private static JsonNode Texts(JsonNode node) => node switch
    {
        JsonObject options => new JsonObject(options.Select(option => KeyValuePair.Create(option.Key, option.Value is null ? null : Texts(option.Value)))!),
        JsonValue value => JsonValue.Create(value.ToString()),
        _ => node.DeepClone(),
    };
}
