using FluentAssertions;
using LowRankTraining.Checkpoints;
using LowRankTraining.Layers;
using LowRankTraining.Mixing;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Adapters;
using TorchSharp;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Checkpoints;

/// <summary>A save that finds no room: what is there stays as it was, nothing is left over, and the message says which file and what to do.</summary>
public class FullDiskTests
{
    /// <summary>Each saves something else every time.</summary>
    private static readonly Dictionary<string, Func<string, Action>> Writers = new()
    {
        ["training checkpoint"] = folder => Training(folder, new GaLore { Rank = 4 }, (model, optimizer) =>
            TrainingCheckpoint.Save(folder, model, optimizer)),
        ["state of an optimizer"] = folder => Training(folder, new GaLore { Rank = 4 }, (_, optimizer) =>
            optimizer.save_state_dict(Path.Combine(folder, "state"))),
        ["adapter"] = folder => Training(folder, new LoRA { Rank = 4 }, (_, optimizer) =>
            PeftAdapter.Save(folder, optimizer.Session)),
        ["plain model"] = folder => Training(folder, new LoRA { Rank = 4 }, (_, optimizer) =>
            ((AdapterSession)optimizer.Session).SavePlain(Path.Combine(folder, "model"))),
        ["tensors"] = folder => () => SafeTensorsFile.Write(Path.Combine(folder, "tensors"), [("a", rand(2_000))]),
        ["mixer"] = folder =>
        {
            var mixer = new FixedMixer([.. Enumerable.Range(0, 200).Select(domain => $"domain {domain}")]);
            return () =>
            {
                mixer.Next();
                mixer.Save(Path.Combine(folder, "mixer"));
            };
        },
    };

    public static TheoryData<string, int> Cases
    {
        get
        {
            var cases = new TheoryData<string, int>();
            foreach (var writer in Writers.Keys)
                foreach (var left in new[] { 0, 4096 })
                    cases.Add(writer, left);
            return cases;
        }
    }

    [SmallDiskTheory, MemberData(nameof(Cases))]
    public void Save_onto_a_full_disk_leaves_the_old_files_whole_and_nothing_beside_them(string writer, int left)
    {
        using var disk = new SmallDisk();
        var save = Writers[writer](disk.Path);
        save();
        var before = disk.Content();
        disk.Fill(left);

        save.Should().Throw<IOException>().WithMessage($"*'{disk.Path}*No space left*is as it was*");
        disk.Content().Should().BeEquivalentTo(before);

        disk.Free();
        save();
        disk.Content().Should().HaveSameCount(before).And.NotBeEquivalentTo(before);
    }

    /// <summary>The device that has no room for anything.</summary>
    [Fact]
    public void Device_without_room_is_named()
    {
        if (OperatingSystem.IsLinux())
            FluentActions.Invoking(() => SafeTensorsFile.Write("/dev/full", [("a", rand(2_000))])).Should().Throw<IOException>().WithMessage("*/dev/full*");
    }

    /// <summary>None of two files is replaced where one of them cannot be.</summary>
    [Fact]
    public void Folder_in_the_place_of_one_file_of_an_adapter_leaves_the_other_as_it_was()
    {
        using var folder = new TemporaryDirectory();
        var (tensors, config) = (Path.Combine(folder.Path, "adapter_model.safetensors"), Path.Combine(folder.Path, "adapter_config.json"));
        var save = Writers["adapter"](folder.Path);
        save();
        var before = File.ReadAllBytes(tensors);
        File.Delete(config);
        Directory.CreateDirectory(config);

        save.Should().Throw<ArgumentException>().WithMessage($"*'{config}' is a folder*Nothing was saved*");

        File.ReadAllBytes(tensors).Should().Equal(before);
        Directory.GetFileSystemEntries(folder.Path).Should().BeEquivalentTo([tensors, config]);
    }

    private static Action Training(string folder, ILowRankStrategy method, Action<OpenNetwork, LowRankOptimizer> save)
    {
        var model = Seeded(new OpenNetwork(hidden: 32));
        var optimizer = method.Attach(model).CreateOptimizer(0.1);
        return () =>
        {
            Run(model, optimizer, 1);
            save(model, optimizer);
        };
    }
}
