using FluentAssertions;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Strategies;

/// <summary>The optimizers for those who come from Python: each takes named parameters, or a model.</summary>
public class FactoryTests
{
    private delegate LowRankOptimizer FromModel(nn.Module model);

    private delegate LowRankOptimizer FromParameters(IEnumerable<(string name, Parameter parameter)> parameters);

    private static readonly Dictionary<string, (FromModel OfModel, FromParameters OfParameters, ILowRankStrategy Method)> Factories = new()
    {
        ["GaLore.AdamW"] = (model => GaLore.AdamW(model, rank: 4), parameters => GaLore.AdamW(parameters, rank: 4), new GaLore { Rank = 4 }),
        ["GaLore.AdamW8bit"] = (model => GaLore.AdamW8bit(model, rank: 4), parameters => GaLore.AdamW8bit(parameters, rank: 4),
            new GaLore { Rank = 4, States = LowRankTraining.Parts.StateFormat.Blockwise8Bit }),
        ["Fira.AdamW"] = (model => Fira.AdamW(model, rank: 4), parameters => Fira.AdamW(parameters, rank: 4), new Fira { Rank = 4 }),
        ["Apollo.AdamW"] = (model => Apollo.AdamW(model, rank: 4), parameters => Apollo.AdamW(parameters, rank: 4), new Apollo { Rank = 4 }),
        ["QGaLore.AdamW8bit"] = (model => QGaLore.AdamW8bit(model, lr: 0.01, rank: 4), parameters => QGaLore.AdamW8bit(parameters, lr: 0.01, rank: 4),
            new QGaLore { Rank = 4, QuantizesWeights = false }),
    };

    public static TheoryData<string> All => [.. Factories.Keys];

    [Theory, MemberData(nameof(All))]
    public void Factory_makes_the_optimizer_of_the_method(string factory)
    {
        using var scope = NewDisposeScope();
        using Linear expected = Make(), named = Make(), whole = Make();
        var (ofModel, ofParameters, method) = Factories[factory];

        Train(method.Attach(expected).CreateOptimizer(lr: 0.01), expected);
        Train(ofParameters(named.named_parameters()), named);
        Train(ofModel(whole), whole);

        named.weight!.eq(expected.weight!).all().ToBoolean().Should().BeTrue();
        whole.weight!.eq(expected.weight!).all().ToBoolean().Should().BeTrue();
    }

    private static Linear Make()
    {
        var model = nn.Linear(24, 32);
        using var guard = no_grad();
        model.weight!.copy_(Draw.Normal([32, 24], 1));
        model.bias!.copy_(Draw.Normal([32], 2));
        return model;
    }

    private static void Train(LowRankOptimizer optimizer, Linear model)
    {
        using (optimizer)
            for (ulong step = 1; step <= 3; step++)
            {
                foreach (var (_, parameter) in model.named_parameters())
                    parameter.grad = Draw.Normal(parameter.shape, 10 + step).to(ScalarType.Float32);
                optimizer.step();
            }
    }
}
