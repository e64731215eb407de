using System.Globalization;
using FluentAssertions;
using LowRankTraining.Strategies;
using Xunit;

namespace LowRankTraining.Tests.Fuzzing;

/// <summary>Damaged files, very many of them: each is refused by <see cref="InvalidDataException"/>, changes nothing then, and takes no more memory than a
/// file of its length can need; of a file with checksums nothing is read but what was written.</summary>
/// <remarks>LRT_FUZZ_INPUTS is how many for each target; <c>./build.sh fuzz</c> takes 100,000. LRT_FUZZ_SEED begins elsewhere.</remarks>
public class FuzzTests
{
    private static readonly Dictionary<string, Func<FuzzTarget>> Targets = new()
    {
        ["checkpoint of galore"] = () => new CheckpointTarget(new GaLore { Rank = 2 }),
        ["checkpoint of two megabytes"] = () => new CheckpointTarget(new GaLore { Rank = 16 }, hidden: 640),
        ["checkpoint of lora"] = () => new CheckpointTarget(new LoRA { Rank = 2 }),
        ["resealed checkpoint of fira"] = () => new CheckpointTarget(new Fira { Rank = 2 }, resealed: true),
        ["resealed checkpoint of inrank"] = () => new CheckpointTarget(new InRank(), resealed: true),
        ["resealed checkpoint of relora"] = () => new CheckpointTarget(new ReLoRA { Rank = 2, RankDecay = 0.5, MergeEvery = 2 }, resealed: true),
        ["state in a stream"] = () => new StreamTarget(),
        ["safetensors"] = () => new SafeTensorsTarget(),
        ["tensors of an adapter"] = () => new AdapterTarget("adapter_model.safetensors", isOurs: true),
        ["tensors of PEFT"] = () => new AdapterTarget("adapter_model.safetensors", isOurs: false),
        ["configuration of an adapter"] = () => new AdapterTarget("adapter_config.json", isOurs: true),
        ["configuration of PEFT"] = () => new AdapterTarget("adapter_config.json", isOurs: false),
        ["mixer"] = () => new MixerTarget(),
        ["resealed mixer"] = () => new MixerTarget(resealed: true),
    };

    private static readonly int Inputs = Setting("LRT_FUZZ_INPUTS", 300);

    private static readonly int Seed = Setting("LRT_FUZZ_SEED", 1);

    private static string Corpus => Path.Combine(AppContext.BaseDirectory, "Fuzzing", "Corpus");

    public static TheoryData<string> Names => [.. Targets.Keys];

    public static TheoryData<string> Kept => [.. Directory.Exists(Corpus) ? Directory.GetFiles(Corpus).Select(file => Path.GetFileName(file)!) : []];

    [Theory, MemberData(nameof(Names))]
    public void Damaged_files_are_refused_in_one_way_and_change_nothing(string name)
    {
        using var target = Targets[name]();
        Dictionary<string, string> faults = [];
        for (var number = 0; number < Inputs; number++)
        {
            var seed = unchecked(Seed * 1_000_003 + number);
            var file = target.Damaged(new Mutator(seed));
            if (target.FaultOf(file) is { } fault && faults.TryAdd(Kind(fault), $"input {seed}: {fault}\n{Convert.ToBase64String(file)}") && faults.Count == 12)
                break;
        }

        faults.Values.Should().BeEmpty();
    }

    /// <summary>Files that once were read wrongly.</summary>
    [Theory, MemberData(nameof(Kept))]
    public void Damage_that_was_not_refused_once_is_refused(string file)
    {
        using var target = Targets[file.Split('.')[0].Replace('-', ' ')]();

        target.FaultOf(File.ReadAllBytes(Path.Combine(Corpus, file))).Should().BeNull();
    }

    /// <summary>The exception and where it came from: many files have one fault.</summary>
    private static string Kind(string fault) =>
        string.Join('\n', fault.Split('\n').Where((line, index) => index == 0 || line.Contains("LowRankTraining", StringComparison.Ordinal))
        .Select((line, index) => index == 0 ? line.Split(':')[0] : line).Take(2));

    private static int Setting(string name, int otherwise) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), CultureInfo.InvariantCulture, out var value) ? value : otherwise;
}
