using System.Text;
using FluentAssertions;
using LowRankTraining.Checkpoints;
using TorchSharp;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Checkpoints;

public sealed class SafeTensorsFileTests : IDisposable
{
    private readonly string _path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());

    [Fact]
    public void Tensors_of_every_type_come_back_bit_by_bit()
    {
        using var scope = NewDisposeScope();
        var types =
            new[] { ScalarType.Float64, ScalarType.Float32, ScalarType.Float16, ScalarType.BFloat16, ScalarType.Int64, ScalarType.Int32, ScalarType.Int16,
                ScalarType.Int8, ScalarType.Byte, ScalarType.Bool };
        var tensors = types.Select((type, index) => ($"layer.{index}", Normal((ulong)index, ScalarType.Float32, 3, 5).mul(10).abs().to(type)))
            .Append(("scalar", tensor(1.5f))).Append(("empty", empty(0, 4))).ToArray();

        SafeTensorsFile.Write(_path, tensors, new Dictionary<string, string> { ["format"] = "pt" });
        using var file = SafeTensorsFile.Open(_path);

        file.Metadata.Should().BeEquivalentTo(new Dictionary<string, string> { ["format"] = "pt" });
        file.Names.Should().Equal(tensors.Select(pair => pair.Item1));
        foreach (var (name, tensor) in tensors)
        {
            var read = file.Read(name);
            (read.dtype, file.TypeOf(name)).Should().Be((tensor.dtype, tensor.dtype));
            read.shape.Should().Equal(tensor.shape).And.Equal(file.ShapeOf(name));
            read.eq(tensor).all().ToBoolean().Should().BeTrue(name);
        }
    }

    /// <summary>libtorch conjugates and negates when a view is read, and not before.</summary>
    [Fact]
    public void View_that_is_conjugated_or_negated_later_comes_back_as_it_reads()
    {
        using var scope = NewDisposeScope();
        var numbers = randn(3, 4, ScalarType.ComplexFloat32);

        SafeTensorsFile.Write(_path, [("conjugate", numbers.conj()), ("negative", numbers.conj().imag), ("adjoint", numbers.conj().t())]);
        using var file = SafeTensorsFile.Open(_path);

        file.Read("conjugate").Should().Match<Tensor>(read => read.eq(numbers.conj()).all().ToBoolean());
        file.Read("negative").Should().Match<Tensor>(read => read.eq(-numbers.imag).all().ToBoolean());
        file.Read("adjoint").Should().Match<Tensor>(read => read.eq(numbers.conj().t()).all().ToBoolean());
    }

    [Fact]
    public void What_no_file_brings_back_is_not_written()
    {
        using var scope = NewDisposeScope();
        SafeTensorsFile.Write(_path, [("a", ones(2))]);
        Refuse([("__metadata__", ones(2))], null, "No tensor can be called '__metadata__'*");
        Refuse([("a", eye(3).to_sparse())], null, "'a' is sparse*Nothing was written*");
        Refuse([("a", zeros([2], device: META))], null, "'a' is*on the meta device*Nothing was written*");
        Refuse([("a", ones(new long[65].Select(_ => 1L).ToArray()))], null, "'a' has 65 dimensions*64 at the most*Nothing was written*");
        Refuse([("a", ones(2))], new() { ["format"] = new('x', 100_000_000) }, "*readers take 100000000 at the most*Nothing was written*");
        Refuse([("a", ones(2))], new() { ["format"] = null! }, "*null for 'format'*Nothing was written*");

        SafeTensorsFile.Open(_path).Names.Should().Equal("a");
    }

    /// <summary>Of a checkpoint that is written again with other values.</summary>
    [Theory]
    [InlineData("checksum", "0123456789abcdef"), InlineData("manifest", """{"library":"0.2","checksums":{}}""")]
    public void Metadata_that_are_of_another_file_alone_are_refused(string key, string text)
    {
        using var scope = NewDisposeScope();

        Refuse([("a", ones(2))], new() { ["format"] = "pt", [key] = text }, "*checksum and manifest are of that file alone: leave these two out*");

        File.Exists(_path).Should().BeFalse();
    }

    private void Refuse((string, Tensor)[] tensors, Dictionary<string, string>? metadata, string message) =>
        FluentActions.Invoking(() => SafeTensorsFile.Write(_path, tensors, metadata)).Should().Throw<ArgumentException>().WithMessage(message);

    [Fact]
    public void Folder_in_the_place_of_a_file_is_told_apart() =>
        FluentActions.Invoking(() => SafeTensorsFile.Open(Path.GetTempPath())).Should().Throw<FileNotFoundException>().WithMessage("*is a folder*");

    /// <summary>Checkpoints in 8 bits, and what other frameworks keep in unsigned numbers.</summary>
    [Theory]
    [InlineData("F8_E4M3", 4), InlineData("F8_E5M2", 4), InlineData("F8_E8M0", 4), InlineData("F6_E2M3", 3), InlineData("F4", 2), InlineData("U16", 8)]
    [InlineData("U32", 16), InlineData("U64", 32)]
    public void Tensor_of_a_dtype_that_TorchSharp_lacks_does_not_keep_the_others_from_being_read(string dtype, int bytes)
    {
        var header = $$$"""
            {"packed":{"dtype":"{{{dtype}}}","shape":[2,2],"data_offsets":[0,{{{bytes}}}]},
             "scale":{"dtype":"F32","shape":[1],"data_offsets":[{{{bytes}}},{{{bytes + 4}}}]}}
            """;
        File.WriteAllBytes(
            _path, [.. BitConverter.GetBytes((long)header.Length), .. Encoding.UTF8.GetBytes(header), .. new byte[bytes], .. BitConverter.GetBytes(2.5f)]);

        using var file = SafeTensorsFile.Open(_path);

        file.Read("scale").ToSingle().Should().Be(2.5f);
        file.ShapeOf("packed").Should().Equal(2, 2);
        foreach (var use in new Action[] { () => file.Read("packed"), () => file.TypeOf("packed") })
            use.Should().Throw<InvalidDataException>().WithMessage($"'{_path}': 'packed' is of dtype {dtype}, which TorchSharp does not have. Convert it*");
    }

    [Theory]
    [InlineData("{}"), InlineData("of a build"), InlineData("""{"files":["a"],"checksum":"sha256"}""")]
    public void Manifest_of_another_program_is_a_text_like_any_other(string manifest)
    {
        using var scope = NewDisposeScope();
        SafeTensorsFile.Write(_path, [("a", ones(2))], new Dictionary<string, string> { ["manifest"] = manifest });

        using var file = SafeTensorsFile.Open(_path);

        file.Metadata["manifest"].Should().Be(manifest);
        file.Read("a").sum().ToDouble().Should().Be(2);
    }

    [Theory]
    [InlineData("of another program")]
    [InlineData("")]
    public void Checksum_of_another_program_is_a_text_like_any_other(string checksum)
    {
        using var scope = NewDisposeScope();
        SafeTensorsFile.Write(_path, [("a", ones(2))], new Dictionary<string, string> { ["checksum"] = checksum });

        using var file = SafeTensorsFile.Open(_path);

        file.Metadata["checksum"].Should().Be(checksum);
        file.Read("a").sum().ToDouble().Should().Be(2);
    }

    [Fact]
    public void File_has_the_published_layout()
    {
        SafeTensorsFile.Write(_path, [("a", tensor(new[] { 1f, 2f }))]);
        var bytes = File.ReadAllBytes(_path);

        var length = BitConverter.ToInt64(bytes);
        (length % 8).Should().Be(0);
        Encoding.UTF8.GetString(bytes, 8, (int)length).TrimEnd().Should().Be("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""");
        bytes[(8 + (int)length)..].Should().Equal([.. BitConverter.GetBytes(1f), .. BitConverter.GetBytes(2f)]);
    }

    [Theory]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 7, "*not complete: 'a' would take 8 bytes, and 7 are there*")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 9, "*take 8 bytes, and 9 are there*")]
    [InlineData("""{"a":{"dtype":"F32","shape":[NaN],"data_offsets":[0,8]}}""", 8, "*not a sound safetensors file*")]
    [InlineData("""{"a":{"dtype":"F32","shape":[4611686018427387904,8],"data_offsets":[0,8]}}""", 8, "*not a sound safetensors file*")]
    [InlineData(
        """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}""", 12, "*'b' begins at byte 4*8 was*")]
    [InlineData("""{"__metadata__":{"x":"1","x":"2"}}""", 0, "*'__metadata__:x' twice*")]
    [InlineData("""{"__metadata__":{"manifest":"{\"library\":\"0.2\"}"}}""", 0, "*header is not the one that was written*")]
    [InlineData("""{"__metadata__":{"manifest":"{\"checksums\":{}}"}}""", 0, "*header is not the one that was written*")]
    [InlineData("""{"a":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}}""", 2, "*'a' takes 12 bits*")]
    [InlineData("""{"a":{"dtype":"F8_E4M3","shape":[3],"data_offsets":[0,2]}}""", 2, "*'a' should take 3 bytes and takes 2*")]
    [InlineData("""{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}""", 8, "*'a' should take 12 bytes and takes 8*")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}""", 12, "*begins at byte 4*where 0 was expected*")]
    [InlineData("""{"a":{"dtype":"Q7","shape":[2],"data_offsets":[0,8]}}""", 8, "*dtype Q7*")]
    [InlineData("""{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,-8]}}""", 0, "*not a sound safetensors file*")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2]}}""", 8, "*not a sound safetensors file*'a' is no tensor*data_offsets*")]
    [InlineData("""{"__metadatb__":{"format":"pt"}}""", 0, "*'__metadatb__' is no tensor*")]
    [InlineData("""{"a":"F32"}""", 0, "*'a' is no tensor*")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}""", 16, "*'a' twice*")]
    [InlineData("this is no JSON", 8, "*not a sound safetensors file*")]
    public void Damaged_file_is_refused_when_it_is_opened(string header, int values, string message)
    {
        File.WriteAllBytes(_path, [.. BitConverter.GetBytes((long)header.Length), .. Encoding.UTF8.GetBytes(header), .. new byte[values]]);

        FluentActions.Invoking(() => SafeTensorsFile.Open(_path)).Should().Throw<InvalidDataException>().WithMessage(message).WithMessage($"'{_path}'*");
    }

    [Theory]
    [InlineData(0, "*it is empty*")]
    [InlineData(5, "*not complete: it has 5 bytes*")]
    [InlineData(20, "*not complete: it says that its header has*")]
    public void Short_file_is_refused(int length, string message)
    {
        SafeTensorsFile.Write(_path, [("a", tensor(new[] { 1f, 2f }))]);
        File.WriteAllBytes(_path, File.ReadAllBytes(_path)[..length]);

        FluentActions.Invoking(() => SafeTensorsFile.Open(_path)).Should().Throw<InvalidDataException>().WithMessage(message);
    }

    public void Dispose() => File.Delete(_path);
}
