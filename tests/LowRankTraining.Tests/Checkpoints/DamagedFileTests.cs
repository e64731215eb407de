using System.IO.Compression;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using FluentAssertions;
using LowRankTraining.Checkpoints;
using LowRankTraining.Mixing;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Checkpoints;

/// <summary>A file that is not what was written is refused by name, before anything is changed.</summary>
public sealed class DamagedFileTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("lowrank-").FullName;

    private string Checkpoint => Path.Combine(_directory, "training.safetensors");

    [Fact]
    public void Every_flipped_bit_of_a_checkpoint_is_found()
    {
        using var model = Seeded(nn.Linear(6, 4));
        using var optimizer = Trained(model);
        TrainingCheckpoint.Save(_directory, model, optimizer);
        var sound = File.ReadAllBytes(Checkpoint);
        var header = sizeof(long) + (int)BitConverter.ToInt64(sound);
        var before = Weights(model);

        for (var place = 0; place < sound.Length; place++)
        {
            File.WriteAllBytes(Checkpoint, Flipped(sound, place));

            FluentActions.Invoking(() => TrainingCheckpoint.Load(_directory, model, optimizer)).Should().Throw<InvalidDataException>("of byte {0}", place)
                .WithMessage(place < header
                ? "*training.safetensors'*"
                : "*training.safetensors' is damaged: the values of '*' are not those*Nothing was changed.");
        }

        Weights(model).Should().BeEquivalentTo(before);
        File.WriteAllBytes(Checkpoint, sound);
        TrainingCheckpoint.Load(_directory, model, optimizer).Should().Be(2);
    }

    [Fact]
    public void Checkpoint_that_breaks_off_or_goes_on_is_refused()
    {
        using var model = Seeded(nn.Linear(6, 4));
        using var optimizer = Trained(model);
        TrainingCheckpoint.Save(_directory, model, optimizer);
        var sound = File.ReadAllBytes(Checkpoint);

        foreach (var damaged in Enumerable.Range(0, sound.Length / 7).Select(part => sound[..(7 * part)]).Append([.. sound, 0]))
        {
            File.WriteAllBytes(Checkpoint, damaged);
            FluentActions.Invoking(() => TrainingCheckpoint.Load(_directory, model, optimizer)).Should().Throw<InvalidDataException>()
                .WithMessage("*training.safetensors'*Nothing was changed.");
        }
    }

    [Theory]
    [InlineData("training.ckpt", "\u001aLowRankTraining checkpoint")]
    [InlineData("training.safetensors", "\u001aLowRankTraining checkpoint")]
    public void Checkpoint_of_the_earlier_format_is_refused_with_what_to_do(string name, string start)
    {
        using var model = Seeded(nn.Linear(6, 4));
        using var optimizer = Trained(model);
        File.WriteAllText(Path.Combine(_directory, name), start + new string('x', 100));

        TrainingCheckpoint.Exists(_directory).Should().BeTrue();
        FluentActions.Invoking(() => TrainingCheckpoint.Load(_directory, model, optimizer)).Should().Throw<InvalidDataException>()
            .WithMessage("*an earlier version of LowRankTraining wrote it*Finish that run with the version*Nothing was changed.");
    }

    [Fact]
    public void State_of_the_earlier_format_in_a_stream_is_refused_too()
    {
        using var model = Seeded(nn.Linear(6, 4));
        using var optimizer = Trained(model);
        using var stream = new MemoryStream();
        optimizer.save_state_dict(new BinaryWriter(stream));
        var start = stream.ToArray()[..(1 + nameof(LowRankOptimizer).Length + 2)];
        byte[] earlier = [.. start, 1, 0, 0, 0, 6, .. "galore"u8, .. new byte[40]];

        optimizer.Invoking(it => it.load_state_dict(new BinaryReader(new MemoryStream(earlier)))).Should().Throw<InvalidDataException>()
            .WithMessage("*an earlier version of LowRankTraining wrote it*");
    }

    [Theory]
    [InlineData("a", "*'b' is missing*")]
    [InlineData("a b c", "*'c', which was not written with it*")]
    public void Tensors_that_are_missing_or_too_many_are_named(string written, string message)
    {
        using var scope = NewDisposeScope();
        var path = Path.Combine(_directory, "state");
        TensorSource[] tensors = [.. written.Split(' ').Select(name => TensorSource.Of(name, ones(2)))];
        var manifest = new CheckpointManifest
        {
            Kind = CheckpointManifest.Mixer, Method = "m", Checksums = new Dictionary<string, string> { ["a"] = tensors[0].Checksum(), ["b"] = "1" },
        };
        using (var stream = File.Create(path))
        {
            SafeTensorsHeaderWriter.Write(stream, tensors, manifest);
            foreach (var tensor in tensors)
                tensor.Write(stream);
        }

        FluentActions.Invoking(() => SafeTensorsFile.Open(path)).Should().Throw<InvalidDataException>().WithMessage(message);
    }

    [Fact]
    public void Another_rank_is_refused_with_the_option_that_differs()
    {
        using var model = Seeded(nn.Linear(6, 4));
        using var optimizer = Trained(model);
        TrainingCheckpoint.Save(_directory, model, optimizer);
        using var other = GaLore.AdamW(model.named_parameters(), rank: 3);

        FluentActions.Invoking(() => TrainingCheckpoint.Load(_directory, model, other)).Should().Throw<InvalidDataException>()
            .WithMessage("*GaLore*.Rank was 2 in the checkpoint and is 3*Nothing was changed.");
    }

    [Fact]
    public void What_may_change_is_loaded()
    {
        using var model = Seeded(nn.Linear(6, 4));
        using var optimizer = Trained(model);
        TrainingCheckpoint.Save(_directory, model, optimizer);
        using var other = GaLore.AdamW(model.named_parameters(), lr: 0.5, rank: 2, update_proj_gap: 17);

        TrainingCheckpoint.Load(_directory, model, other).Should().Be(2);
    }

    [Fact]
    public void What_has_changed_is_told_to_the_logger_of_the_method()
    {
        using var model = Seeded(nn.Linear(6, 4));
        using var optimizer = Trained(model);
        TrainingCheckpoint.Save(_directory, model, optimizer);
        var logger = new RecordingLogger();
        using var other = new GaLore { Rank = 2, RefreshEvery = 17, Logger = logger }.Attach(model.named_parameters()).CreateOptimizer();

        TrainingCheckpoint.Load(_directory, model, other);

        logger.Lines.Where(line => line.Contains("goes on")).Should().ContainSingle().Which.Should()
            .Be("galore: the run goes on with other options than it was saved with: GaLore.RefreshEvery was 200 in the checkpoint and is 17");
    }

    [Fact]
    public void Every_flipped_bit_of_a_mixer_is_found()
    {
        using var mixer = new FixedMixer(["web", "books"]);
        mixer.Next();
        var path = Path.Combine(_directory, "mixer");
        mixer.Save(path);
        var sound = File.ReadAllBytes(path);

        for (var place = 0; place < sound.Length; place++)
        {
            File.WriteAllBytes(path, Flipped(sound, place));
            mixer.Invoking(it => it.Load(path)).Should().Throw<InvalidDataException>("of byte {0}", place);
        }
    }

    [Fact]
    public void Every_flipped_bit_of_the_factors_of_an_adapter_is_found()
    {
        using var model = nn.Sequential(("first", nn.Linear(6, 4)));
        using var session = new LoRA { Rank = 2 }.Attach(model, Targets.AllLinear());
        PeftAdapter.Save(_directory, session);
        var path = Path.Combine(_directory, "adapter_model.safetensors");
        var sound = File.ReadAllBytes(path);

        for (var place = 0; place < sound.Length; place++)
        {
            File.WriteAllBytes(path, Flipped(sound, place));
            FluentActions.Invoking(() => PeftAdapter.Load(_directory, session)).Should().Throw<InvalidDataException>("of byte {0}", place);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(100_000_001)]
    [InlineData(long.MaxValue)]
    [InlineData(long.MinValue)]
    public void Length_that_no_header_has_is_refused_before_memory_is_taken(long length)
    {
        var path = Path.Combine(_directory, "state");
        File.WriteAllBytes(path, [.. BitConverter.GetBytes(length), .. "{}      "u8]);

        FluentActions.Invoking(() => SafeTensorsFile.Open(path)).Should().Throw<InvalidDataException>()
            .WithMessage(FormattableString.Invariant($"*its header has {length} bytes, and a header has between 2 and 100000000*"));
    }

    [Theory]
    [InlineData("a name"), InlineData("a dtype"), InlineData("dimensions"), InlineData("lists in lists"), InlineData("blanks"), InlineData("no tensors")]
    public void Header_of_ten_megabytes_that_says_nothing_is_refused_in_the_memory_of_its_text(string of)
    {
        const int length = 10_000_000;
        var header = of switch
        {
            "a name" => $$"""{"{{new string('n', length)}}":{"dtype":"F32","shape":[2],"data_offsets":[0,0]} }""",
            "a dtype" => $$"""{"a":{"dtype":"{{new string('F', length)}}","shape":[0],"data_offsets":[0,0]} }""",
            "dimensions" => $$"""{"a":{"dtype":"F32","shape":[0{{string.Concat(Enumerable.Repeat(",0", length / 2))}}],"data_offsets":[0,0]} }""",
            "lists in lists" => new string('[', length),
            "no tensors" => $"{{\"0\":{{}}{string.Concat(Enumerable.Range(1, 900_000).Select(number => $",\"{number}\":{{}}"))}}}",
            _ => new string(' ', length),
        };
        var path = Path.Combine(_directory, "state");
        File.WriteAllBytes(path, [.. BitConverter.GetBytes((long)header.Length), .. Encoding.ASCII.GetBytes(header)]);

        Taken(() => FluentActions.Invoking(() => SafeTensorsFile.Open(path))
                .Should().Throw<InvalidDataException>().Which.Message.Length.Should().BeLessThan(700))
            .Should().BeLessThan((long)(1.1 * header.Length) + 500_000);
    }

    /// <summary>The shortest descriptions that there are, and nothing else.</summary>
    [Theory]
    [InlineData("", null), InlineData(",\"0\":{\"dtype\":\"I8\",\"shape\":[0],\"data_offsets\":[0,0]}", "*holds '0' twice*")]
    [InlineData(",\"last\":{\"dtype\":\"I8\",\"shape\":[0],\"data_offsets\":[1,1]}", "*'last' begins at byte 1*")]
    [InlineData(",\"__metadata__\":{\"a\":\"\",\"a\":\"\"}", "*holds '__metadata__:a' twice*")]
    public void Header_of_very_many_empty_tensors_is_read_in_less_than_twice_its_size(string end, string? damage)
    {
        var header = $"{{{ManyEmpty(60_000)}{end}}}";
        var path = Path.Combine(_directory, "state");
        File.WriteAllBytes(path, [.. BitConverter.GetBytes((long)header.Length), .. Encoding.ASCII.GetBytes(header)]);

        Taken(() => Open(path, damage)).Should().BeLessThan(2 * header.Length);
    }

    /// <summary>By somebody who knows how checksums are made: all of them fit, and the manifest says very much that does not.</summary>
    [Theory]
    [InlineData("parameters"), InlineData("slots"), InlineData("sizes"), InlineData("groups"), InlineData("options"), InlineData("lists"), InlineData("name")]
    [InlineData("layout"), InlineData("method"), InlineData("key")]
    public void Resealed_checkpoint_with_very_much_in_its_manifest_is_refused_in_twice_its_size(string of)
    {
        using var model = Seeded(nn.Linear(6, 4));
        using var optimizer = Trained(model);
        TrainingCheckpoint.Save(_directory, model, optimizer);
        using var other = GaLore.AdamW(model.named_parameters(), rank: of is "options" or "lists" or "key" ? 3 : 2);
        ChangeManifest(manifest =>
        {
            var parameter = manifest["parameters"]![0]!;
            var text = new string('x', 3_000_000);
            switch (of)
            {
                case "parameters": Fill(manifest["parameters"]!, 20_000, number => Parameter($"p{number}")); break;
                case "slots": Fill(parameter["slots"]!, 200_000, number => number); break;
                case "sizes": Fill(parameter["shape"]!, 1_000_000, _ => 1); break;
                case "groups": Fill(manifest["groups"]!, 100_000, _ => new JsonObject { ["parameters"] = 1 }); break;
                case "options": Enumerable.Range(0, 200_000).ToList().ForEach(number => manifest["options"]![$"{number}"] = 1); break;
                case "lists": Fill(manifest["options"]!["Overrides"] = new JsonArray(), 500_000, _ => new JsonArray()); break;
                case "key": manifest["options"]![text] = 1; break;
                case "method": manifest["method"] = text; break;
                default: parameter[of] = text; break;
            }
        });

        Taken(() => FluentActions.Invoking(() => TrainingCheckpoint.Load(_directory, model, other)).Should().Throw<InvalidDataException>()
                .WithMessage("*Nothing was changed.").Which.Message.Length.Should().BeLessThan(20_000))
            .Should().BeLessThan(2 * new FileInfo(Checkpoint).Length + 500_000);

        static JsonObject Parameter(string name) => new()
        {
            ["name"] = name, ["shape"] = new JsonArray(2), ["layout"] = "", ["slots"] = new JsonArray(), ["counters"] = new JsonObject(),
        };
    }

    /// <summary>Zipped with too few, the last parameter would begin without its state.</summary>
    [Fact]
    public void Resealed_checkpoint_whose_manifest_has_too_few_parameters_is_refused()
    {
        using var model = Seeded(nn.Linear(6, 4));
        using var optimizer = Trained(model);
        TrainingCheckpoint.Save(_directory, model, optimizer);
        ChangeManifest(manifest => manifest["parameters"]!.AsArray().RemoveAt(1));

        FluentActions.Invoking(() => TrainingCheckpoint.Load(_directory, model, optimizer)).Should().Throw<InvalidDataException>()
            .WithMessage("*of 1 parameters in other groups, and this optimizer has 2 parameters*Nothing was changed.");
    }

    /// <summary>A parameter without its slot would begin that part anew.</summary>
    [Fact]
    public void Resealed_checkpoint_whose_manifest_leaves_a_tensor_out_is_refused()
    {
        using var model = Seeded(nn.Linear(6, 4));
        using var optimizer = Trained(model);
        TrainingCheckpoint.Save(_directory, model, optimizer);
        ChangeManifest(manifest => manifest["parameters"]![0]!["slots"]!.AsArray().RemoveAt(0));

        FluentActions.Invoking(() => TrainingCheckpoint.Load(_directory, model, optimizer)).Should().Throw<InvalidDataException>()
            .WithMessage("*tensors, and by its manifest 2 are of the model*Nothing was changed.");
    }

    [Theory]
    [InlineData("factors", "base_model.model.layers.{0}.lora_A.weight"), InlineData("saved modules", "base_model.model.layers.{0}.weight")]
    [InlineData("other names", "{0}")]
    public void Adapter_with_very_many_tensors_that_the_model_does_not_have_is_refused_in_twice_its_size(string what, string name)
    {
        using var model = nn.Sequential(("first", nn.Linear(6, 4)));
        using var session = new LoRA { Rank = 2 }.Attach(model, Targets.AllLinear());
        PeftAdapter.Save(_directory, session);
        var tensors = Enumerable.Range(0, 40_000).Select(number =>
            $"\"{name.Replace("{0}", $"{number}")}\":{{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}");
        var header = $"{{{string.Join(',', tensors)}}}";
        var path = Path.Combine(_directory, "adapter_model.safetensors");
        File.WriteAllBytes(path, [.. BitConverter.GetBytes((long)header.Length), .. Encoding.ASCII.GetBytes(header)]);

        Taken(() => FluentActions.Invoking(() => PeftAdapter.Load(_directory, session)).Should().Throw<InvalidDataException>()
                .WithMessage("*does not fit the session*; and more*Nothing was changed."))
            .Should().BeLessThan(2 * header.Length, what);
    }

    /// <summary>An expression takes some hundred kilobytes to make.</summary>
    [Theory]
    [InlineData(100_000, "{0}", "*100000 patterns, and 10000 are the most*"), InlineData(5_000, "layers.{0}.*", "*regular expressions, and 64 are the most*")]
    public void Configuration_of_an_adapter_with_very_many_patterns_is_refused_before_expressions_are_made(int count, string pattern, string message)
    {
        using var model = nn.Sequential(("first", nn.Linear(6, 4)));
        using var session = new LoRA { Rank = 2 }.Attach(model, Targets.AllLinear());
        PeftAdapter.Save(_directory, session);
        var path = Path.Combine(_directory, "adapter_config.json");
        var config = JsonNode.Parse(File.ReadAllText(path))!;
        for (var number = 0; number < count; number++)
            config["rank_pattern"]![pattern.Replace("{0}", $"{number}")] = 3;
        File.WriteAllText(path, config.ToJsonString());

        foreach (var read in new Action[] { () => PeftAdapter.MethodOf(_directory), () => PeftAdapter.Load(_directory, session) })
            Taken(() => read.Should().Throw<InvalidDataException>().WithMessage(message)).Should().BeLessThan(30_000_000);
    }

    [Fact]
    public void Very_many_texts_beside_tensors_are_refused_in_less_than_twice_their_size()
    {
        var texts = string.Join(',', Enumerable.Range(0, 200_000).Append(7).Select(number => $"\"{number}\":\"\""));
        var header = $"{{\"__metadata__\":{{{texts}}}}}";
        var path = Path.Combine(_directory, "state");
        File.WriteAllBytes(path, [.. BitConverter.GetBytes((long)header.Length), .. Encoding.ASCII.GetBytes(header)]);

        Taken(() => Open(path, "*holds '__metadata__:7' twice*")).Should().BeLessThan(2 * header.Length);
    }

    /// <summary>Opened, with every value as it was written; or with one checksum too many.</summary>
    [Theory]
    [InlineData(null), InlineData("*'more' is missing*")]
    public void Sealed_header_of_very_many_tensors_and_checksums_takes_less_than_twice_its_size(string? damage)
    {
        var path = Path.Combine(_directory, "state");
        TensorSource[] tensors = [.. Enumerable.Range(0, 60_000).Select(number => new TensorSource($"{number}", ScalarType.Int8, [0], _ => { }))];
        var checksums = tensors.ToDictionary(tensor => tensor.Name, tensor => tensor.Checksum());
        if (damage is not null)
            checksums.Add("more", tensors[0].Checksum());
        using (var stream = File.Create(path))
            SafeTensorsHeaderWriter.Write(stream, tensors, new CheckpointManifest { Kind = CheckpointManifest.Mixer, Method = "m", Checksums = checksums });

        Taken(() => Open(path, damage)).Should().BeLessThan(2 * new FileInfo(path).Length);
    }

    [Theory]
    [InlineData("null"), InlineData("\"no checksum\""), InlineData("7"), InlineData("{}")]
    public void Checksum_that_is_none_is_refused_by_the_name_of_its_tensor(string checksum)
    {
        using var scope = NewDisposeScope();
        var path = Path.Combine(_directory, "state");
        var tensor = TensorSource.Of("a", ones(2));
        var manifest = new CheckpointManifest
        {
            Kind = CheckpointManifest.Mixer, Method = "m", Checksums = new Dictionary<string, string> { ["a"] = "here" },
        };
        using (var stream = File.Create(path))
        {
            SafeTensorsHeaderWriter.Write(stream, [tensor],
                [HeaderChecksum.Open, new("manifest", manifest.ToJson().Replace("\"here\"", checksum, StringComparison.Ordinal))]);
            tensor.Write(stream);
        }

        Reseal(path);

        FluentActions.Invoking(() => SafeTensorsFile.Open(path)).Should().Throw<InvalidDataException>().WithMessage("*no checksum of 'a'*");
    }

    /// <summary>By somebody who knows how checksums are made.</summary>
    [Fact]
    public void Sealed_header_of_very_many_empty_tensors_is_refused_in_less_than_twice_its_size()
    {
        var path = Path.Combine(_directory, "state");
        TensorSource[] tensors = [.. Enumerable.Range(0, 60_000).Select(number => new TensorSource($"{number}", ScalarType.Int8, [0], _ => { }))];
        using (var stream = File.Create(path))
            SafeTensorsHeaderWriter.Write(stream, tensors, new CheckpointManifest { Kind = CheckpointManifest.Mixer, Method = "m" });

        Taken(() => Open(path, "*'0', which was not written with it*")).Should().BeLessThan(2 * new FileInfo(path).Length);
    }

    [Theory]
    [InlineData("groups"), InlineData("parameters")]
    public void Sealed_manifest_with_very_much_of_nothing_is_refused_in_less_than_twice_its_size(string of)
    {
        var path = Path.Combine(_directory, "state");
        var manifest = new CheckpointManifest { Kind = CheckpointManifest.Mixer, Method = "m" }.ToJson();
        var header = Encoding.UTF8.GetBytes(JsonSerializer.Serialize(new Dictionary<string, object>
        {
            ["__metadata__"] = new Dictionary<string, string>
            {
                ["checksum"] = "0000000000000000",
                ["manifest"] = manifest.Replace($"\"{of}\":[]", $"\"{of}\":[{{}}{string.Concat(Enumerable.Repeat(",{}", 1_000_000))}]"),
            },
        }));
        HeaderChecksum.Close(header);
        File.WriteAllBytes(path, [.. BitConverter.GetBytes((long)header.Length), .. header]);

        Taken(() => Open(path, "*not a sound safetensors file*its manifest has no*")).Should().BeLessThan(2 * header.Length + 500_000);
    }

    /// <summary>Options of many megabytes, of which one letter is another.</summary>
    [Fact]
    public void Damaged_header_of_ours_is_refused_before_anything_is_made_of_what_it_says()
    {
        var path = Path.Combine(_directory, "state");
        var options = new JsonObject { ["Text"] = new string('x', 4_000_000) };
        SafeTensorsFile.Write(path, [], new CheckpointManifest { Kind = CheckpointManifest.Mixer, Method = "m", Options = options });
        var sound = File.ReadAllBytes(path);
        File.WriteAllBytes(path, Flipped(sound, sound.Length / 2));

        Taken(() => FluentActions.Invoking(() => SafeTensorsFile.Open(path)).Should().Throw<InvalidDataException>().WithMessage("*checksum differs*"))
            .Should().BeLessThan(sound.Length + 500_000);
    }

    /// <summary>The last byte of many: everything before it has been read by then.</summary>
    [Fact]
    public void Damaged_checkpoint_is_refused_in_a_fraction_of_its_size()
    {
        using var model = Seeded(nn.Linear(6, 200_000));
        using var optimizer = Trained(model);
        TrainingCheckpoint.Save(_directory, model, optimizer);
        var sound = File.ReadAllBytes(Checkpoint);
        File.WriteAllBytes(Checkpoint, Flipped(sound, sound.Length - 1));

        Taken(() => FluentActions.Invoking(() => TrainingCheckpoint.Load(_directory, model, optimizer)).Should().Throw<InvalidDataException>())
            .Should().BeLessThan(sound.Length / 4);
    }

    [Theory]
    [InlineData(true), InlineData(false)]
    public void Length_in_a_stream_takes_no_memory_before_its_bytes_are_there(bool canSeek)
    {
        byte[] state = [.. BitConverter.GetBytes(99_999_999L), .. "{}      "u8];
        Stream Stream() => canSeek ? new MemoryStream(state) : new GZipStream(new MemoryStream(Packed(state)), CompressionMode.Decompress);

        Taken(() => FluentActions.Invoking(() => SafeTensorsFile.Open(Stream(), "the stream")).Should().Throw<InvalidDataException>())
            .Should().BeLessThan(500_000);
    }

    [Fact]
    public void State_goes_through_streams_that_cannot_seek()
    {
        using var model = Seeded(nn.Linear(6, 4));
        using var optimizer = Trained(model);
        using var packed = new MemoryStream();
        using (var writer = new BinaryWriter(new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true)))
            optimizer.save_state_dict(writer);
        using var other = GaLore.AdamW(model.named_parameters(), rank: 2);

        packed.Position = 0;
        using (var reader = new BinaryReader(new GZipStream(packed, CompressionMode.Decompress)))
            other.load_state_dict(reader);

        (other.CompletedSteps, other.StateBytes).Should().Be((2, optimizer.StateBytes));
    }

    [Fact]
    public void Manifest_says_what_the_file_holds()
    {
        using var model = Seeded(nn.Linear(6, 4));
        using var optimizer = Trained(model);
        TrainingCheckpoint.Save(_directory, model, optimizer);

        using var file = SafeTensorsFile.Open(Checkpoint);
        var manifest = JsonDocument.Parse(file.Metadata["manifest"]).RootElement;

        (file.Metadata["format"], manifest.GetProperty("kind").GetString(), manifest.GetProperty("method").GetString()).Should()
            .Be(("pt", "training", "galore"));
        (manifest.GetProperty("format").GetInt32(), manifest.GetProperty("step").GetInt64()).Should().Be((2, 2));
        manifest.GetProperty("options").GetProperty("Rank").GetInt32().Should().Be(2);
        manifest.GetProperty("parameters").EnumerateArray().Select(parameter => parameter.GetProperty("name").GetString()).Should().Equal("weight", "bias");
        file.Names.Should().Contain("model/weight").And.Contain(name => name.StartsWith("state/weight/"));
    }

    [Fact]
    public void Tensor_of_several_blocks_comes_back()
    {
        using var scope = NewDisposeScope();
        var path = Path.Combine(_directory, "large");
        var large = arange(9_000_000, ScalarType.Int64).remainder(251).to(ScalarType.Byte);

        SafeTensorsFile.Write(path, [TensorSource.Of("large", large)], new CheckpointManifest { Kind = CheckpointManifest.Mixer, Method = "m" });

        using var file = SafeTensorsFile.Open(path);
        file.Read("large").eq(large).all().ToBoolean().Should().BeTrue();
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    /// <summary>Managed bytes that the second call takes: the first one finds what has to be made once.</summary>
    private static long Taken(Action read)
    {
        read();
        var before = GC.GetAllocatedBytesForCurrentThread();
        read();
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    private static string ManyEmpty(int count) => string.Join(
        ',', Enumerable.Range(0, count).Select(number => $$""" "{{number}}":{"dtype":"I8","shape":[0],"data_offsets":[0,0]}""".TrimStart()));

    private static void Open(string path, string? damage)
    {
        if (damage is null)
            SafeTensorsFile.Open(path).Dispose();
        else
            FluentActions.Invoking(() => SafeTensorsFile.Open(path)).Should().Throw<InvalidDataException>().WithMessage(damage);
    }

    private void ChangeManifest(Action<JsonObject> change)
    {
        var options = new JsonSerializerOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
        var file = File.ReadAllBytes(Checkpoint);
        var length = (int)BitConverter.ToInt64(file);
        var header = JsonNode.Parse(file.AsSpan(sizeof(long), length))!;
        var manifest = JsonNode.Parse((string)header["__metadata__"]!["manifest"]!)!.AsObject();
        change(manifest);
        header["__metadata__"]!["manifest"] = manifest.ToJsonString(options);
        header["__metadata__"]!["checksum"] = "0000000000000000";
        var changed = Encoding.UTF8.GetBytes(header.ToJsonString(options));
        HeaderChecksum.Close(changed);
        File.WriteAllBytes(Checkpoint, [.. BitConverter.GetBytes((long)changed.Length), .. changed, .. file[(sizeof(long) + length)..]]);
    }

    private static void Fill<T>(JsonNode list, int count, Func<int, T> item)
    {
        for (var number = 0; number < count; number++)
            list.AsArray().Add(item(number));
    }

    private static void Reseal(string path)
    {
        var file = File.ReadAllBytes(path);
        var header = file[sizeof(long)..(sizeof(long) + (int)BitConverter.ToInt64(file))];
        HeaderChecksum.Close(header);
        header.CopyTo(file, sizeof(long));
        File.WriteAllBytes(path, file);
    }

    private static byte[] Packed(byte[] bytes)
    {
        using var packed = new MemoryStream();
        using (var zip = new GZipStream(packed, CompressionLevel.Fastest))
            zip.Write(bytes);
        return packed.ToArray();
    }

    private static byte[] Flipped(byte[] sound, int place)
    {
        var damaged = sound.ToArray();
        damaged[place] ^= (byte)(1 << (place % 8));
        return damaged;
    }

    private static LowRankOptimizer Trained(Linear model)
    {
        var optimizer = GaLore.AdamW(model.named_parameters(), rank: 2);
        for (var step = 0; step < 2; step++)
        {
            using var scope = NewDisposeScope();
            optimizer.zero_grad();
            model.call(Normal((ulong)step, ScalarType.Float32, 5, 6)).square().mean().backward();
            optimizer.step();
        }

        return optimizer;
    }
}
