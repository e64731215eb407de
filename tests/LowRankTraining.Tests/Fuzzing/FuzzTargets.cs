using System.IO.Hashing;
using System.Text;
using LowRankTraining.Checkpoints;
using LowRankTraining.Layers;
using LowRankTraining.Mixing;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Adapters;
using TorchSharp;
using TorchSharp.Modules;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Fuzzing;

/// <summary>A training checkpoint of a method.</summary>
internal sealed class CheckpointTarget : FuzzTarget
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lowrank-").FullName;
    private readonly OpenNetwork _model;
    private readonly LowRankOptimizer _optimizer;

    public CheckpointTarget(ILowRankStrategy method, bool resealed = false, long hidden = 4)
    {
        (IsSealed, _model) = (!resealed, Seeded(new OpenNetwork(inputs: 12, hidden: hidden)));
        _optimizer = method.Attach(_model).CreateOptimizer();
        Sound = [Saved(), Saved()];
        Run(_model, _optimizer, 1);
    }

    public override IReadOnlyList<byte[]> Sound { get; }

    public override bool IsSealed { get; }

    public override string State => StateOf(_model, _optimizer);

    private string File => Path.Combine(_folder, "training.safetensors");

    public override byte[] Damaged(Mutator mutator) => IsSealed ? base.Damaged(mutator) : Seal.DamageWithin(Sound[0], mutator);

    public override void Read(byte[] file)
    {
        System.IO.File.WriteAllBytes(File, file);
        TrainingCheckpoint.Load(_folder, _model, _optimizer);
    }

    public override void Dispose()
    {
        _optimizer.Dispose();
        _model.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    internal static string StateOf(nn.Module model, LowRankOptimizer optimizer)
    {
        // What the finalizer could free within a native call lives until the end.
        using var scope = NewDisposeScope();
        var hash = new XxHash3();
        foreach (var (_, tensor) in model.state_dict())
            hash.Append(tensor.contiguous().cpu().bytes);
        foreach (var parameter in optimizer.parameters().Cast<Parameter>())
        {
            var bag = optimizer.StateOf(parameter);
            foreach (var (name, tensor) in bag.Tensors)
                hash.Append([.. Encoding.UTF8.GetBytes(name), .. tensor.bytes]);
            hash.Append(Encoding.UTF8.GetBytes(string.Join(',', bag.Counters)));
        }

        return $"{hash.GetCurrentHashAsUInt64():x} {optimizer.CompletedSteps} {string.Join(',', optimizer.ParamGroups.Select(group => group.LearningRate))}";
    }

    private byte[] Saved()
    {
        Run(_model, _optimizer, 1);
        TrainingCheckpoint.Save(_folder, _model, _optimizer);
        return System.IO.File.ReadAllBytes(File);
    }
}

/// <summary>The state of an optimizer in a stream.</summary>
internal sealed class StreamTarget : FuzzTarget
{
    private readonly Linear _model = Seeded(nn.Linear(12, 6));
    private readonly LowRankOptimizer _optimizer;

    public StreamTarget()
    {
        _optimizer = GaLore.AdamW(_model.named_parameters(), rank: 2);
        Sound = [Saved(), Saved()];
        Run(_model, _optimizer, 1);
    }

    public override IReadOnlyList<byte[]> Sound { get; }

    public override bool IsSealed => true;

    public override string State => CheckpointTarget.StateOf(_model, _optimizer);

    /// <summary>What TorchSharp itself writes before the state is left as it is.</summary>
    public override byte[] Damaged(Mutator mutator)
    {
        var own = 1 + nameof(LowRankOptimizer).Length + sizeof(int) * 2;
        return [.. Sound[0][..own], .. mutator.Damage([.. Sound.Select(sound => sound[own..])])];
    }

    public override void Read(byte[] file) => _optimizer.load_state_dict(new BinaryReader(new MemoryStream(file)));

    public override void Dispose()
    {
        _optimizer.Dispose();
        _model.Dispose();
    }

    private byte[] Saved()
    {
        Run(_model, _optimizer, 1);
        using var stream = new MemoryStream();
        _optimizer.save_state_dict(new BinaryWriter(stream));
        return stream.ToArray();
    }
}

/// <summary>A safetensors file of another program: any tensors will do, but not any exception.</summary>
internal sealed class SafeTensorsTarget : FuzzTarget
{
    private readonly string _path = Path.GetTempFileName();

    public SafeTensorsTarget()
    {
        using var scope = NewDisposeScope();
        SafeTensorsFile.Write(_path,
            [("a", Normal(1, ScalarType.Float32, 3, 4)), ("b", Normal(2, ScalarType.BFloat16, 5)), ("c", ones(2, dtype: ScalarType.Int64))],
            new Dictionary<string, string> { ["format"] = "pt" });
        Sound = [File.ReadAllBytes(_path)];
    }

    public override IReadOnlyList<byte[]> Sound { get; }

    public override bool IsSealed => false;

    public override string State => "";

    public override void Read(byte[] file)
    {
        File.WriteAllBytes(_path, file);
        using var tensors = SafeTensorsFile.Open(_path);
        foreach (var name in tensors.Names)
            tensors.Read(name).Dispose();
    }

    public override void Dispose() => File.Delete(_path);
}

/// <summary>One of the two files of an adapter.</summary>
internal sealed class AdapterTarget : FuzzTarget
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lowrank-").FullName;
    private readonly OpenNetwork _model = Seeded(new OpenNetwork(inputs: 12, hidden: 4));
    private readonly AdapterSession _session;
    private readonly string _damaged;

    /// <param name="damaged">The file that is damaged.</param>
    /// <param name="isOurs">Whether the files are as this library writes them, or as PEFT does.</param>
    public AdapterTarget(string damaged, bool isOurs)
    {
        (_damaged, IsSealed) = (Path.Combine(_folder, damaged), isOurs);
        _session = new LoRA { Rank = 2, Alpha = 4, RankPattern = new Dictionary<string, int> { ["first"] = 3 } }.Attach(_model);
        PeftAdapter.Save(_folder, _session);
        if (!isOurs)
            Foreign();
        Sound = [File.ReadAllBytes(_damaged)];
        using (no_grad())
            foreach (var (name, parameter) in _model.named_parameters())
                if (name.Contains("lora_", StringComparison.Ordinal))
                    parameter.fill_(0.5);
    }

    public override IReadOnlyList<byte[]> Sound { get; }

    public override bool IsSealed { get; }

    public override string State =>
        string.Join(',', Weights(_model).SelectMany(pair => pair.Value).Sum().ToString("R", System.Globalization.CultureInfo.InvariantCulture));

    public override void Read(byte[] file)
    {
        File.WriteAllBytes(_damaged, file);
        PeftAdapter.MethodOf(_folder);
        PeftAdapter.TargetsOf(_folder);
        PeftAdapter.Load(_folder, _session);
    }

    public override void Dispose()
    {
        _session.Dispose();
        _model.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private void Foreign()
    {
        using var scope = NewDisposeScope();
        var path = Path.Combine(_folder, "adapter_model.safetensors");
        (string, Tensor)[] tensors;
        using (var ours = SafeTensorsFile.Open(path))
            tensors = [.. ours.Names.Select(name => (name, ours.Read(name)))];
        SafeTensorsFile.Write(path, [.. tensors, ("base_model.model.lm_head.bias", ones(6))]);
        var config = Path.Combine(_folder, "adapter_config.json");
        File.WriteAllText(config,
            File.ReadAllText(config).Replace("\"modules_to_save\": null", "\"modules_to_save\": [\"lm_head\"]", StringComparison.Ordinal));
    }
}

/// <summary>The state of a mixer.</summary>
internal sealed class MixerTarget : FuzzTarget
{
    private readonly string _path = Path.GetTempFileName();
    private readonly FixedMixer _mixer = new(["web", "books"]);

    public MixerTarget(bool resealed = false)
    {
        IsSealed = !resealed;
        _mixer.Next();
        _mixer.Save(_path);
        Sound = [File.ReadAllBytes(_path)];
        _mixer.Next();
    }

    public override IReadOnlyList<byte[]> Sound { get; }

    public override bool IsSealed { get; }

    public override string State => $"{_mixer.CompletedUpdates}";

    public override byte[] Damaged(Mutator mutator) => IsSealed ? base.Damaged(mutator) : Seal.DamageWithin(Sound[0], mutator);

    public override void Read(byte[] file)
    {
        File.WriteAllBytes(_path, file);
        _mixer.Load(_path);
    }

    public override void Dispose()
    {
        _mixer.Dispose();
        File.Delete(_path);
    }
}

/// <summary>Checksums that fit again after the damage: a file by somebody who knows how they are made.</summary>
internal static class Seal
{
    private static readonly byte[] Prefix = "{\"__metadata__\":{\"checksum\":\""u8.ToArray();

    public static byte[] DamageWithin(byte[] sound, Mutator mutator)
    {
        var length = (int)BitConverter.ToInt64(sound);
        var header = Encoding.Latin1.GetBytes(mutator.DamageText(Encoding.Latin1.GetString(sound, sizeof(long), length)));
        if (header.AsSpan().StartsWith(Prefix) && header.Length > Prefix.Length + 16)
        {
            header.AsSpan(Prefix.Length, 16).Fill((byte)'0');
            Encoding.ASCII.GetBytes(XxHash3.HashToUInt64(header).ToString("x16", System.Globalization.CultureInfo.InvariantCulture))
                .CopyTo(header, Prefix.Length);
        }

        return [.. BitConverter.GetBytes((long)header.Length), .. header, .. sound[(sizeof(long) + length)..]];
    }
}
