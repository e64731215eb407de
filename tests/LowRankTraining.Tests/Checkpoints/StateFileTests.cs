using FluentAssertions;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Adapters;
using TorchSharp;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Checkpoints;

/// <summary>The state in a file of its own, as TorchSharp's optimizers save it.</summary>
public sealed class StateFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lowrank-").FullName;

    private string Location => Path.Combine(_folder, "optimizer.dat");

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Save_that_fails_leaves_the_good_file(bool disposed)
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer = new GaLore { Rank = 2 }.Attach(model).CreateOptimizer();
        Run(model, optimizer, 2);
        optimizer.save_state_dict(Location);
        var good = File.ReadAllBytes(Location);
        if (disposed)
            model.Dispose();
        else
            model.to(ScalarType.Float64);

        optimizer.Invoking(it => it.save_state_dict(Location)).Should().Throw<InvalidOperationException>();

        File.ReadAllBytes(Location).Should().Equal(good);
        Directory.GetFiles(_folder).Should().Equal(Location);
    }

    [Fact]
    public void Shorter_state_replaces_a_longer_one_whole()
    {
        using var model = Seeded(new OpenNetwork());
        File.WriteAllBytes(Location, new byte[1 << 20]);
        using var optimizer = new GaLore { Rank = 2 }.Attach(model).CreateOptimizer(lr: 0.5);
        Run(model, optimizer, 2);

        optimizer.save_state_dict(Location);

        using var other = new GaLore { Rank = 2 }.Attach(model).CreateOptimizer();
        other.load_state_dict(Location);
        (other.CompletedSteps, other.StateBytes).Should().Be((2, optimizer.StateBytes));
        new FileInfo(Location).Length.Should().BeLessThan(1 << 16);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
