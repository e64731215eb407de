using FluentAssertions;
using LowRankTraining.Checkpoints;
using Xunit;

namespace LowRankTraining.Tests.Checkpoints;

/// <summary>A file is the old one or the new one, and what was not finished does not stay.</summary>
public sealed class AtomicFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lowrank-").FullName;

    private string Target => Path.Combine(_folder, "state");

    [Fact]
    public void What_killed_writers_have_left_is_gone_after_the_next_save()
    {
        for (var killed = 0; killed < 3; killed++)
            File.WriteAllText($"{Target}.{Guid.NewGuid():N}.tmp", "half of a state");

        AtomicFile.Write(Target, stream => stream.WriteByte(1));

        Directory.GetFiles(_folder).Should().Equal(Target);
    }

    /// <summary>What it is called while it is written must find room in a name, too.</summary>
    [Theory]
    [InlineData("n", 218), InlineData("n", 219), InlineData("n", 255), InlineData("é", 127)]
    public void File_with_the_longest_name_is_written_replaced_and_leaves_nothing(string letter, int count)
    {
        var path = Path.Combine(_folder, string.Concat(Enumerable.Repeat(letter, count)));
        var unfinished = "";
        AtomicFile.Write(path, _ => unfinished = Directory.GetFiles(_folder).Single());
        File.WriteAllText($"{unfinished[..^36]}{Guid.NewGuid():N}.tmp", "half of a state");

        AtomicFile.Write(path, stream => stream.WriteByte(1));

        Directory.GetFiles(_folder).Should().Equal(path);
        File.ReadAllBytes(path).Should().Equal(1);
    }

    [Theory]
    [InlineData("state.tmp"), InlineData("state.1.tmp"), InlineData("other.00000000000000000000000000000000.tmp")]
    [InlineData("state.00000000000000000000000000000000.tmp.old"), InlineData("state2.00000000000000000000000000000000.tmp")]
    public void Files_of_other_programs_stay(string name)
    {
        File.WriteAllText(Path.Combine(_folder, name), "mine");

        AtomicFile.Write(Target, stream => stream.WriteByte(1));

        File.ReadAllText(Path.Combine(_folder, name)).Should().Be("mine");
    }

    [Fact]
    public void Writer_at_work_is_not_robbed_of_its_file_by_another()
    {
        AtomicFile.Write(Target, outer =>
        {
            AtomicFile.Write(Target, inner => inner.Write("inner"u8));
            outer.Write("outer"u8);
        });

        File.ReadAllText(Target).Should().Be("outer");
        Directory.GetFiles(_folder).Should().Equal(Target);
    }

    [Fact]
    public void Failure_leaves_the_old_file_and_nothing_else()
    {
        AtomicFile.Write(Target, stream => stream.WriteByte(1));

        FluentActions.Invoking(() => AtomicFile.Write(Target, stream =>
        {
            stream.WriteByte(2);
            throw new IOException("disk full");
        })).Should().Throw<IOException>().WithMessage("*state' was not saved: disk full*");

        File.ReadAllBytes(Target).Should().Equal(1);
        Directory.GetFiles(_folder).Should().Equal(Target);
    }

    public static TheoryData<Exception> InUseOnWindows() =>
    [
        new UnauthorizedAccessException(),
        new IOException("sharing violation", unchecked((int)0x80070020)),
        new IOException("lock violation", unchecked((int)0x80070021)),
    ];

    [Theory, MemberData(nameof(InUseOnWindows))]
    public void File_that_another_program_has_open_for_a_moment_is_waited_for_on_Windows(Exception inUse)
    {
        var (tries, pauses) = (0, new List<int>());

        FileInUse.Outlast(() => ++tries < 4 ? throw inUse : "done", onWindows: true, pauses.Add).Should().Be("done");

        (tries, pauses.SequenceEqual([10, 20, 40])).Should().Be((4, true));
    }

    [Theory, MemberData(nameof(InUseOnWindows))]
    public void File_that_stays_open_elsewhere_fails_in_the_end(Exception inUse)
    {
        var paused = 0;

        FluentActions.Invoking(() => FileInUse.Outlast<string>(() => throw inUse, onWindows: true, pause => paused += pause))
            .Should().Throw<Exception>().Which.Should().BeSameAs(inUse);

        paused.Should().BeLessThan(3_000, "milliseconds are short beside a step");
    }

    [Fact]
    public void Other_failures_and_other_systems_are_not_waited_for()
    {
        foreach (var (failure, onWindows) in new (Exception, bool)[] { (new IOException("disk full"), true), (new UnauthorizedAccessException(), false) })
            FluentActions.Invoking(() => FileInUse.Outlast<string>(() => throw failure, onWindows, _ => Assert.Fail("waits")))
                .Should().Throw<Exception>().Which.Should().BeSameAs(failure);
    }

    /// <summary>The message of the system names the file that is written beside.</summary>
    [Fact]
    public void Refusal_names_the_file_that_was_to_be_saved()
    {
        FluentActions.Invoking(() => AtomicFile.Write(Target, _ => throw new UnauthorizedAccessException($"Access to '{Target}.123.tmp' is denied.")))
            .Should().Throw<UnauthorizedAccessException>().WithMessage($"'{Target}' was not saved: it or its folder may not be written*");

        Directory.GetFiles(_folder).Should().BeEmpty();
    }

    [Theory]
    [InlineData(@"\\.\NUL", true), InlineData(@"\\.\pipe\tensors", true)]
    [InlineData(@"C:\runs\state", false), InlineData(@"\\server\share\state", false), InlineData(@"\\?\C:\runs\state", false)]
    public void Devices_of_Windows_are_told_by_their_full_path(string path, bool isDevice) => FileKind.IsDevice(path).Should().Be(isDevice);

    [UnixFact]
    public void Link_stays_one_and_the_file_that_it_leads_to_is_replaced()
    {
        var elsewhere = Path.Combine(Directory.CreateDirectory(Path.Combine(_folder, "large disk")).FullName, "state");
        File.WriteAllText(elsewhere, "old");
        File.CreateSymbolicLink(Target, elsewhere);

        AtomicFile.Write(Target, stream => stream.Write("new"u8));

        new FileInfo(Target).LinkTarget.Should().Be(elsewhere);
        File.ReadAllText(elsewhere).Should().Be("new");
        Directory.GetFiles(_folder).Should().Equal(Target);
    }

    [UnixFact]
    public void Link_to_a_file_that_is_not_there_yet_is_followed()
    {
        var later = Path.Combine(_folder, "later");
        File.CreateSymbolicLink(Target, later);

        AtomicFile.Write(Target, stream => stream.Write("new"u8));

        (new FileInfo(Target).LinkTarget, File.ReadAllText(later)).Should().Be((later, "new"));
    }

    [UnixFact]
    public void File_that_only_its_owner_reads_is_not_shown_to_others_by_the_next_save()
    {
        const UnixFileMode mine = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        File.WriteAllText(Target, "old");
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(Target, mine);

        AtomicFile.Write(Target, stream => stream.Write("new"u8));

        if (!OperatingSystem.IsWindows())
            File.GetUnixFileMode(Target).Should().Be(mine);
    }

    /// <summary>As <c>/dev/null</c> and <c>/dev/stdout</c> are, whose names an administrator's program could give to files otherwise.</summary>
    [LinuxFact]
    public async Task Pipe_is_written_to_and_stays_one()
    {
        using (var make = System.Diagnostics.Process.Start("mkfifo", [Target]))
            await make.WaitForExitAsync();
        var read = Task.Run(() => File.ReadAllText(Target));

        AtomicFile.Write(Target, stream => stream.Write("new"u8));

        (await read).Should().Be("new");
        FileKind.IsSpecial(Target).Should().BeTrue();
        Directory.GetFiles(_folder).Should().Equal(Target);
    }

    [Fact]
    public void Files_and_folders_are_nothing_special()
    {
        File.WriteAllText(Target, "a file");

        FileKind.IsSpecial(Target).Should().BeFalse();
        FileKind.IsSpecial(_folder).Should().BeFalse();
        FileKind.IsSpecial(Path.Combine(_folder, "nothing")).Should().BeFalse();
    }

    [Fact]
    public void File_beside_the_current_folder_needs_no_path()
    {
        var name = $"lowrank-{Guid.NewGuid():N}";
        AtomicFile.Write(name, stream => stream.WriteByte(1));

        File.Exists(name).Should().BeTrue();
        File.Delete(name);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private sealed class UnixFactAttribute : FactAttribute
    {
        public UnixFactAttribute() => Skip = OperatingSystem.IsWindows() ? "Windows has no modes, and links need a privilege there." : null;
    }

    private sealed class LinuxFactAttribute : FactAttribute
    {
        public LinuxFactAttribute() => Skip = OperatingSystem.IsLinux() ? null : "Only on Linux are pipes told from files.";
    }
}
