using FluentAssertions;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace TorchSharp.SystemLibtorch.Tests.Modules;

public sealed class SerializationTests
{
    [Fact]
    public void Save_and_load_bring_back_every_bit()
    {
        using var source = Model();
        using var target = Model();
        using var stream = new MemoryStream();
        source.save(stream);

        target.load(new MemoryStream(stream.ToArray()));

        foreach (var (key, tensor) in source.state_dict())
        {
            target.state_dict()[key].bytes.ToArray().Should().Equal(tensor.bytes.ToArray(), key);
        }
    }

    [Fact]
    public void The_stream_is_count_then_name_dtype_shape_and_raw_bytes()
    {
        using var model = Linear(2, 1, hasBias: false);
        init.constant_(model.weight, 1.0);
        using var stream = new MemoryStream();
        model.save(stream);

        stream.ToArray().Should().Equal(
            [1, 6, .. "weight"u8, 6, 2, 1, 2, 0, 0, 0x80, 0x3f, 0, 0, 0x80, 0x3f]);
    }

    [Fact]
    public void A_file_of_another_model_is_refused_by_name_count_type_and_shape()
    {
        using var wide = Linear(3, 2, hasBias: false);
        using var stream = new MemoryStream();
        wide.save(stream);
        Stream Saved() => new MemoryStream(stream.ToArray());

        using var withBias = Linear(3, 2);
        withBias.Invoking(m => m.load(Saved())).Should().Throw<ArgumentException>().WithMessage("*expected 2*found 1*");
        using var narrow = Linear(2, 2, hasBias: false);
        narrow.Invoking(m => m.load(Saved())).Should().Throw<ArgumentException>();
        using var doubles = Linear(3, 2, hasBias: false, dtype: ScalarType.Float64);
        doubles.Invoking(m => m.load(Saved())).Should().Throw<ArgumentException>();
        using var nested = Sequential(Linear(3, 2, hasBias: false));
        nested.Invoking(m => m.load(Saved())).Should().Throw<ArgumentException>().WithMessage("*'weight'*");
    }

    [Fact]
    public void Loading_loosely_takes_what_fits_and_reports_it()
    {
        using var source = Linear(2, 2, hasBias: false);
        using var target = Linear(2, 2);
        var bias = target.bias!.data<float>().ToArray();
        using var stream = new MemoryStream();
        source.save(stream);
        var loaded = new Dictionary<string, bool>();

        target.load(new MemoryStream(stream.ToArray()), strict: false, loadedParameters: loaded);

        loaded.Should().Equal(new Dictionary<string, bool> { ["weight"] = true });
        target.weight.data<float>().ToArray().Should().Equal(source.weight.data<float>().ToArray());
        target.bias!.data<float>().ToArray().Should().Equal(bias);
    }

    [Fact]
    public void Load_state_dict_copies_in_place_and_names_missing_and_unexpected_keys()
    {
        using var source = Linear(2, 2, hasBias: false);
        using var target = Linear(2, 2);
        var weight = target.weight;
        var entries = source.state_dict();
        entries["extra"] = ones(1);

        target.Invoking(m => m.load_state_dict(entries)).Should().Throw<InvalidOperationException>();
        var (missing, unexpected) = target.load_state_dict(entries, strict: false);

        missing.Should().Equal("bias");
        unexpected.Should().Equal("extra");
        target.weight.Should().BeSameAs(weight);
        weight.data<float>().ToArray().Should().Equal(source.weight.data<float>().ToArray());
    }

    private static Sequential Model() => Sequential(("embed", Embedding(5, 4)), ("norm", LayerNorm(4)), ("head", Linear(4, 5)));
}
