using FluentAssertions;
using LowRankTraining.Checkpoints;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Adapters;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Optimizer;

/// <summary>A run that is saved in one precision goes on in another: state is cast as PyTorch casts it.</summary>
public sealed class CastStateTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lowrank-").FullName;

    public static TheoryData<string, ScalarType, ScalarType> Runs
    {
        get
        {
            var data = new TheoryData<string, ScalarType, ScalarType>();
            foreach (var method in LowRankStrategies.All)
            {
                data.Add(method.Name, ScalarType.Float32, ScalarType.BFloat16);
                if (method.Name == "q-galore")
                    continue;
                data.Add(method.Name, ScalarType.Float32, ScalarType.Float64);
                data.Add(method.Name, ScalarType.Float64, ScalarType.Float32);
                data.Add(method.Name, ScalarType.BFloat16, ScalarType.Float64);
            }

            return data;
        }
    }

    [Theory, MemberData(nameof(Runs))]
    public void Run_goes_on_in_another_precision(string method, ScalarType before, ScalarType after)
    {
        using var saved = Seeded(new OpenNetwork(before));
        using var from = Attach(method, saved);
        Run(saved, from, 3);
        TrainingCheckpoint.Save(_folder, saved, from);
        using var model = Seeded(new OpenNetwork(after), 99);
        using var to = Attach(method, model);

        TrainingCheckpoint.Load(_folder, model, to);

        // Of the dtypes that a run of this precision has made by itself.
        using var native = Seeded(new OpenNetwork(after));
        using var expected = Attach(method, native);
        Run(native, expected, 3);
        Dtypes(to).Should().Equal(Dtypes(expected));

        Run(model, to, 3);
        Run(saved, from, 3);
        var tolerance = before == ScalarType.BFloat16 || after == ScalarType.BFloat16 ? 0.25 : 0.03;
        Distance(Output(model), Output(saved)).Should().BeLessThan(tolerance);
    }

    [Fact]
    public void Cast_is_told_to_the_logger()
    {
        using var saved = Seeded(new OpenNetwork());
        using var from = Attach("galore", saved);
        Run(saved, from, 1);
        TrainingCheckpoint.Save(_folder, saved, from);
        using var model = Seeded(new OpenNetwork(ScalarType.Float64));
        var logger = new RecordingLogger();
        using var to = new GaLore { Rank = 4, Scale = 0.5, Logger = logger }.Attach(model).CreateOptimizer();

        TrainingCheckpoint.Load(_folder, model, to);

        logger.Lines.Should().Contain(line =>
            line.Contains("The dtype of 7 parameters ('first.weight') was F32") && line.Contains("GaLore.Scale was 0.25 in the checkpoint and is 0.5"));
    }

    [Theory]
    [InlineData(ScalarType.BFloat16, ScalarType.Float32)]
    [InlineData(ScalarType.Float32, ScalarType.Float64)]
    public void Gradient_that_waits_is_cast_too(ScalarType before, ScalarType after)
    {
        using var scope = NewDisposeScope();
        using Linear saved = Seeded(nn.Linear(6, 4, dtype: before)), model = Seeded(nn.Linear(6, 4, dtype: after));
        using var from = new Fira { Rank = 2 }.Attach(saved).CreateOptimizer();
        using var to = new Fira { Rank = 2 }.Attach(model).CreateOptimizer();
        saved.weight.grad = Normal(3, before, 4, 6);
        from.accumulate();
        using var stream = new MemoryStream();
        from.save_state_dict(new BinaryWriter(stream));
        stream.Position = 0;

        to.load_state_dict(new BinaryReader(stream));

        model.weight.grad!.dtype.Should().Be(after);
        Values(model.weight.grad!).Should().Equal(Values(saved.weight.grad!));
        to.step();
    }

    [Fact]
    public void State_goes_from_optimizer_to_optimizer_of_another_precision()
    {
        using var saved = Seeded(new OpenNetwork());
        using var model = Seeded(new OpenNetwork(ScalarType.Float64));
        using LowRankOptimizer from = Attach("ldadam", saved), to = Attach("ldadam", model);
        Run(saved, from, 2);

        to.load_state_dict(from.state_dict());

        to.CompletedSteps.Should().Be(2);
        Run(model, to, 2);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static LowRankOptimizer Attach(string method, nn.Module model) => (LowRankStrategies.Create(method) switch
    {
        Frugal coordinates => coordinates,
        GradientSpaceMethod projecting => projecting with { Rank = 4 },
        Flora flora => flora with { Rank = 4 },
        WeightSpaceMethod { Rank: > 4 } other => other with { Rank = 4 },
        var other => other,
    }).Attach(model).CreateOptimizer(0.003);

    private static IEnumerable<string> Dtypes(LowRankOptimizer optimizer) => optimizer.parameters()
        .SelectMany((parameter, index) => optimizer.StateOf((Parameter)parameter).Tensors.Select(slot => $"{index} {slot.Key}: {slot.Value.dtype}"));
}
