using System.Globalization;
using FluentAssertions;
using LowRankTraining.Mixing;
using LowRankTraining.Tests.Adapters;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Mixing;

/// <summary>Saving and going on.</summary>
public sealed class MixerFileTests : IDisposable
{
    private static readonly GradientAlignmentOptions Options = new() { UpdateEvery = 4, Seed = 8 };

    private readonly string _directory = Directory.CreateTempSubdirectory("lowrank-mixer-").FullName;

    private string File => Path.Combine(_directory, "mixer.dat");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Mixer_that_was_saved_goes_on_bit_by_bit_at_any_point(bool sketched)
    {
        const int total = 23;
        using var whole = Make(sketched);
        var expected = Run(whole, total);

        for (var interruption = 0; interruption <= 13; interruption++)
        {
            using (var interrupted = Make(sketched))
            {
                Run(interrupted, interruption);
                interrupted.Mixer.Save(File);
            }

            using var resumed = Make(sketched);
            Run(resumed, 3);
            resumed.Mixer.Load(File);
            resumed.Mixer.CompletedUpdates.Should().Be(interruption);

            Run(resumed, total - interruption).Should().Equal(expected[interruption..]);
            resumed.Mixer.Mixture.Should().Equal(whole.Mixer.Mixture);
            resumed.Mixer.SkippedUpdates.Should().Be(whole.Mixer.SkippedUpdates).And.Be(3);
        }
    }

    [Fact]
    public void Fixed_mixer_goes_on_too()
    {
        using var whole = new FixedMixer(["a", "b"], seed: 2);
        var draws = Enumerable.Range(0, 50).Select(_ => whole.Next()).ToArray();
        using (var interrupted = new FixedMixer(["a", "b"], seed: 2))
        {
            for (var draw = 0; draw < 20; draw++)
                interrupted.Next();
            interrupted.Save(File);
        }

        using var resumed = new FixedMixer(["a", "b"], seed: 2);
        resumed.Load(File);

        Enumerable.Range(0, 30).Select(_ => resumed.Next()).Should().Equal(draws[20..]);
    }

    [Fact]
    public void State_of_another_mixer_is_refused()
    {
        using (var saved = Make(sketched: false))
            saved.Mixer.Save(File);

        using var other = Make(sketched: true);
        using var names = new Rehearsal(6, Options, sources: ["a", "c"]);
        using var kind = new FixedMixer(["a", "b"]);
        foreach (DataMixer mixer in new DataMixer[] { other.Mixer, names.Mixer, kind })
            mixer.Invoking(it => it.Load(File)).Should().Throw<InvalidDataException>().WithMessage("*of another mixer*Nothing was changed.");
    }

    [Fact]
    public void Damaged_file_is_refused_and_changes_nothing()
    {
        using var rehearsal = Make(sketched: false);
        Run(rehearsal, 9);
        rehearsal.Mixer.Save(File);
        var (bytes, before) = (System.IO.File.ReadAllBytes(File), rehearsal.Mixer.Mixture);

        foreach (var damaged in new[] { bytes[..^5], bytes[..30], [], [.. bytes.Select(value => (byte)(value ^ 0x55))] })
        {
            System.IO.File.WriteAllBytes(File, damaged);
            rehearsal.Mixer.Invoking(mixer => mixer.Load(File)).Should().Throw<InvalidDataException>().WithMessage("*mixer.dat*");
            rehearsal.Mixer.Mixture.Should().Equal(before);
        }

        rehearsal.Mixer.Invoking(mixer => mixer.Load(File + "x")).Should().Throw<FileNotFoundException>();
    }

    [Fact]
    public void Mixer_is_not_saved_in_the_middle_of_an_update()
    {
        using var rehearsal = Make(sketched: false);
        rehearsal.Add("a", 1, 2, 3, 4, 5, 6);

        rehearsal.Mixer.Invoking(mixer => mixer.Save(File)).Should().Throw<InvalidOperationException>().WithMessage("*update has begun*");
        System.IO.File.Exists(File).Should().BeFalse();
    }

    private static Rehearsal Make(bool sketched) => new(6, Options, sketched ? parameter => GradientView.Sketch([parameter], 4) : null);

    /// <summary>Updates of one or two micro-batches whose gradients depend on the update alone; some cannot be used.</summary>
    private static List<string> Run(Rehearsal rehearsal, int updates)
    {
        var seen = new List<string>();
        for (var update = 0; update < updates; update++)
        {
            var number = rehearsal.Mixer.CompletedUpdates;
            rehearsal.Parameter.grad = null;
            var draws = new List<(string Source, long Index)>();
            for (var micro = 0; micro <= number % 2; micro++)
            {
                var draw = rehearsal.Mixer.Next();
                using var noise = Training.Normal((ulong)(100 + 2 * number + micro), ScalarType.Float32, 6);
                var numbers = noise.data<float>().ToArray();
                numbers[0] += draw.Source == "a" ? 1 : 0;
                rehearsal.Add(draw.Source, number % 7 == 6 ? [.. numbers.Select(_ => float.NaN)] : numbers);
                draws.Add(draw);
            }

            rehearsal.Mixer.Update();
            seen.Add(string.Create(CultureInfo.InvariantCulture, $"{string.Join(", ", draws)} {rehearsal.ProbabilityOf("a"):R}"));
        }

        return seen;
    }
}
