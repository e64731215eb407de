using FluentAssertions;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Assumptions;

/// <summary>The file of <c>Module.save</c>, which a finished model has to be readable from and readable as.</summary>
public class ModuleFileTests
{
    [Fact]
    public void File_is_a_count_and_for_each_tensor_its_name_dtype_shape_and_bytes()
    {
        using var model = nn.Linear(2, 1, hasBias: false);
        nn.init.constant_(model.weight, 1.0);

        Saved(model).ToArray().Should().Equal([1, 6, .. "weight"u8, 6, 2, 1, 2, 0, 0, 0x80, 0x3f, 0, 0, 0x80, 0x3f]);
    }

    [Fact]
    public void Loading_brings_back_every_bit_into_the_same_parameters()
    {
        using var source = nn.Linear(3, 2);
        using var target = nn.Linear(3, 2);
        var weight = target.weight;

        target.load(Saved(source));

        target.weight.Should().BeSameAs(weight);
        target.weight.bytes.ToArray().Should().Equal(source.weight.bytes.ToArray());
    }

    [Fact]
    public void File_of_another_count_shape_or_dtype_is_refused()
    {
        using var source = nn.Linear(3, 2, hasBias: false);
        using var more = nn.Linear(3, 2);
        using var wider = nn.Linear(4, 2, hasBias: false);
        using var finer = nn.Linear(3, 2, hasBias: false, dtype: ScalarType.Float64);

        more.Invoking(model => model.load(Saved(source))).Should().Throw<ArgumentException>();
        wider.Invoking(model => model.load(Saved(source))).Should().Throw<ArgumentException>();
        finer.Invoking(model => model.load(Saved(source))).Should().Throw<ArgumentException>();
    }

    [Fact]
    public void State_dict_is_loaded_in_place_and_missing_and_unexpected_names_are_told()
    {
        using var scope = NewDisposeScope();
        using var source = nn.Linear(2, 2, hasBias: false);
        using var target = nn.Linear(2, 2);
        var weight = target.weight;
        var entries = source.state_dict();
        entries["extra"] = ones(1);

        target.Invoking(model => model.load_state_dict(entries)).Should().Throw<InvalidOperationException>();
        var (missing, unexpected) = target.load_state_dict(entries, strict: false);

        missing.Should().Equal("bias");
        unexpected.Should().Equal("extra");
        target.weight.Should().BeSameAs(weight);
        weight.data<float>().ToArray().Should().Equal(source.weight.data<float>().ToArray());
    }

    private static MemoryStream Saved(nn.Module model)
    {
        using var stream = new MemoryStream();
        model.save(stream);
        return new(stream.ToArray());
    }
}
