using FluentAssertions;
using LowRankTraining.Mpi.Tests.Worker;
using Xunit;

namespace LowRankTraining.Mpi.Tests;

/// <summary>Processes that are started as users start them.</summary>
public sealed class MpiWorldTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("lrt-mpi-");

    [MpiTheory]
    [InlineData(2)]
    [InlineData(4)]
    public void Numbers_of_every_dtype_arrive(int count) => Succeeded(Processes.Start(count, "exchange")).Should().Be("exchanged");

    [MpiTheory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void What_is_sent_in_the_backward_pass_gives_the_bits_of_the_step(int count) =>
        Succeeded(Processes.Start(count, "send-early", "true")).Should().Be(Succeeded(Processes.Start(count, "send-early", "false")));

    [MpiTheory]
    [InlineData("galore", 2, 4)]
    [InlineData("lora", 2, 4)]
    [InlineData("ldadam", 4, 4)]
    [InlineData("galore", 8, 8)]
    [InlineData("fira", 8, 8)]
    public void Processes_train_to_the_bits_of_lanes_in_one_process(string method, int count, int lanes) =>
        Succeeded(Processes.Start(count, "train", method, $"{lanes}")).Should().Be(InThisProcess(method, lanes));

    [MpiTheory]
    [InlineData("galore", 2)]
    [InlineData("fira", 4)]
    public void Weights_are_updated_in_the_backward_pass(string method, int count) =>
        Succeeded(Processes.Start(count, "train-stepped", method, $"{count}")).Should().Be(InThisProcess(method, count, GradientFlow.Stepped));

    [MpiFact]
    public void Run_of_four_goes_on_with_two_and_one_bit_for_bit()
    {
        var expected = Succeeded(Processes.Start(4, "save", _folder.FullName, "4"));

        Succeeded(Processes.Start(2, "resume", _folder.FullName, "4")).Should().Be(expected);
        Succeeded(Processes.StartAlone(["resume", _folder.FullName, "4"])).Should().Be(expected);
    }

    [MpiFact]
    public void Checkpoint_that_cannot_be_written_ends_the_run_with_the_reason_or_is_caught_and_all_go_on()
    {
        var outcome = Processes.Start(2, "fail-to-save", _folder.FullName, "throw");
        outcome.ExitCode.Should().NotBe(0);
        outcome.Error.Should().Contain("Process 0 of 2 has ended by ").And.Contain("blocked");

        Succeeded(Processes.Start(2, "fail-to-save", _folder.FullName, "catch")).Should().Be(InThisProcess("galore", lanes: 4));
    }

    [MpiTheory]
    [InlineData("throw", "Process 1 of 3 has ended by InvalidDataException: Row 17 of the data is damaged. All others are ended with it.")]
    [InlineData("catch", "Process 1 of 3 has ended by InvalidDataException: Row 17 of the data is damaged. All others are ended with it.")]
    [InlineData("exit", "Process 1 of 3 has ended before it had left the others")]
    public void Process_that_fails_ends_the_others_and_says_why(string scenario, string reason)
    {
        var outcome = Processes.Start(3, scenario);

        outcome.ExitCode.Should().NotBe(0);
        outcome.Error.Should().Contain(reason);
    }

    [MpiFact]
    public void Process_that_is_killed_ends_the_others() => Processes.Start(3, "kill").ExitCode.Should().NotBe(0);

    [MpiFact]
    public void Different_options_are_named_before_the_first_step()
    {
        var outcome = Processes.Start(2, "options");

        outcome.ExitCode.Should().NotBe(0);
        outcome.Error.Should().Contain("Process 1 is not set up like process 0: it has 'Rank 5' where process 0 has 'Rank 4'.");
    }

    [MpiFact]
    public void Weights_that_differ_are_named()
    {
        var outcome = Processes.Start(2, "weights");

        outcome.ExitCode.Should().NotBe(0);
        outcome.Error.Should().Contain("'second.weight' is not the same on process 1 as on process 0 after step 4");
    }

    [Fact]
    public void Process_that_was_started_alone_trains_alone_without_any_library()
    {
        string[] args = ["--lr", "0.1"];
        using var world = MpiWorld.Join(ref args);

        (world.Rank, world.Size).Should().Be((0, 1));
        world.Note.Should().Contain("mpiexec");
        args.Should().Equal("--lr", "0.1");
        Succeeded(Processes.StartAlone(["train", "galore", "4"])).Should().Be(InThisProcess("galore", lanes: 4));
    }

    [Fact]
    public void Launcher_of_Open_MPI_is_refused_with_what_to_do_instead()
    {
        var outcome = Processes.StartAlone(["exchange"], ("OMPI_COMM_WORLD_SIZE", "2"));

        outcome.ExitCode.Should().NotBe(0);
        outcome.Error.Should().Contain("handles are pointers").And.Contain("mpiexec.mpich");
    }

    /// <summary>As the mpich of Ubuntu 24.04 does it: the launcher starts several processes, and the library knows nothing of the others.</summary>
    [MpiFact]
    public void Processes_that_do_not_know_each_other_do_not_train_alone()
    {
        var outcome = Processes.StartAlone(["exchange"], ("PMI_SIZE", "2"));

        outcome.ExitCode.Should().NotBe(0);
        outcome.Error.Should().Contain("has started 2 processes").And.Contain("every process would train alone").And.Contain("mpiexec.mpich");
    }

    [Fact]
    public void Missing_library_is_named_with_what_to_install() =>
        FluentActions.Invoking(() => MpiLibrary.Find(["libnone.so.12"])).Should().Throw<DllNotFoundException>().WithMessage("*install*mpiexec*");

    [Fact]
    public void Lanes_that_cannot_be_divided_are_refused()
    {
        string[] args = [];
        FluentActions.Invoking(() => MpiWorld.Join(ref args, lanes: 0)).Should().Throw<ArgumentException>().WithMessage("0 lanes cannot be divided*");
    }

    public void Dispose() => _folder.Delete(recursive: true);

    private static string Succeeded(Processes.Outcome outcome)
    {
        outcome.ExitCode.Should().Be(0, outcome.Error);
        return outcome.Output;
    }

    private static string InThisProcess(string method, int lanes, GradientFlow gradients = GradientFlow.Whole)
    {
        // Torch's generator is one for all threads: the models are made one after the other.
        var (models, weights) = (Enumerable.Range(0, lanes).Select(_ => Run.NewModel()).ToArray(), new string[lanes]);
        InProcessWorld.Run(lanes, world =>
        {
            using var run = new Run(method, world, models[world.Rank], gradients);
            run.Steps(1, Run.Last);
            weights[world.Rank] = run.Weights;
        });
        weights.Should().AllBe(weights[0]);
        return weights[0];
    }
}
