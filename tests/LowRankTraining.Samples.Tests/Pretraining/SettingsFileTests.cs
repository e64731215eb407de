using System.Text.Json;
using FluentAssertions;
using LanguageModel;
using LowRankTraining.Tests.Fuzzing;
using Pretrain;
using Xunit;

namespace LowRankTraining.Samples.Tests.Pretraining;

/// <summary>The settings of a run come back as they were written, or not at all.</summary>
public sealed class SettingsFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lowrank-").FullName;

    private string File => Path.Combine(_folder, "settings.json");

    private static readonly PretrainSettings Settings = new()
    {
        Strategy = "fira", Model = "9m", Rank = 32, Steps = 100, Batch = 16, Seq = 256, Lr = 0.01, Warmup = 10, Dtype = "float32", Seed = 42, Data = [],
    };

    [Fact]
    public void Settings_come_back()
    {
        var folder = RunFolder.New(_folder);
        folder.WriteSettings(Settings);

        folder.ReadSettings().Should().BeEquivalentTo(Settings);
    }

    [Fact]
    public void Every_flipped_bit_is_refused_or_changes_nothing()
    {
        var folder = RunFolder.New(_folder);
        folder.WriteSettings(Settings);
        var sound = System.IO.File.ReadAllBytes(File);

        for (var place = 0; place < sound.Length; place++)
        {
            var damaged = sound.ToArray();
            damaged[place] ^= (byte)(1 << (place % 8));
            System.IO.File.WriteAllBytes(File, damaged);
            try
            {
                folder.ReadSettings().Should().BeEquivalentTo(Settings, "of byte {0}", place);
            }
            catch (UserException refusal)
            {
                refusal.Message.Should().Contain("settings.json");
            }
        }
    }

    /// <summary>Several injuries at once, as to the checksum and to what it is of.</summary>
    [Fact]
    public void Damaged_settings_are_refused_in_words_or_are_those_that_were_written()
    {
        var folder = RunFolder.New(_folder);
        folder.WriteSettings(Settings);
        var (sound, written) = (System.IO.File.ReadAllBytes(File), JsonSerializer.Serialize(Settings));

        for (var seed = 0; seed < 20_000; seed++)
        {
            System.IO.File.WriteAllBytes(File, new Mutator(seed).Damage([sound]));
            try
            {
                JsonSerializer.Serialize(folder.ReadSettings()).Should().Be(written, "of input {0}", seed);
            }
            catch (UserException refusal)
            {
                refusal.Message.Should().Contain("settings.json");
            }
        }
    }

    [Fact]
    public void Settings_without_their_checksum_are_refused()
    {
        RunFolder.New(_folder).WriteSettings(Settings);
        System.IO.File.WriteAllText(File, System.IO.File.ReadAllText(File).Replace("\"checksum\"", "\"checksun\"", StringComparison.Ordinal));

        RunFolder.New(_folder).Invoking(folder => folder.ReadSettings()).Should().Throw<UserException>().WithMessage("*settings.json*not those that were*");
    }

    [Theory]
    [InlineData(""), InlineData("null"), InlineData("[]"), InlineData("{}"), InlineData("{\"rank\": 1, \"rank\": 2}"), InlineData("{\"checksum\": {}}")]
    public void What_is_no_settings_is_refused_in_words(string text)
    {
        System.IO.File.WriteAllText(File, text);

        RunFolder.New(_folder).Invoking(folder => folder.ReadSettings()).Should().Throw<UserException>().WithMessage("*settings.json*");
    }

    [Fact]
    public void Trained_model_is_a_file_that_TorchSharp_loads()
    {
        using var model = TorchSharp.torch.nn.Linear(3, 2);
        using var other = TorchSharp.torch.nn.Linear(3, 2);
        var folder = RunFolder.New(_folder);

        folder.SaveModel(model);
        other.load(folder.ModelFile);

        other.weight.data<float>().ToArray().Should().Equal(model.weight.data<float>().ToArray());
        Directory.GetFiles(_folder).Should().Equal(folder.ModelFile);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
