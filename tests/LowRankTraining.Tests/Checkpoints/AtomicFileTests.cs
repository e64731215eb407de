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
        })).Should().Throw<IOException>().WithMessage("disk full");

        File.ReadAllBytes(Target).Should().Equal(1);
        Directory.GetFiles(_folder).Should().Equal(Target);
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
}
