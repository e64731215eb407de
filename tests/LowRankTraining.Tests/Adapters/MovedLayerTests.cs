using FluentAssertions;
using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Adapters;

/// <summary>Every layer of the library, moved as any module is.</summary>
public class MovedLayerTests
{
    private static readonly Dictionary<string, Func<Linear, ReparameterizedLinear>> Makers = new()
    {
        ["low-rank"] = source => new LowRankLinear(source, rank: 3),
        ["low-rank, dropout"] = source => new LowRankLinear(source, rank: 3, dropout: 0.5),
        ["DoRA"] = source => new DoRALinear(source, rank: 3),
        ["DoRA, exact gradient"] = source => new DoRALinear(source, rank: 3, normGradient: true),
        ["factorized"] = source => new FactorizedLinear(source, rank: 3),
        ["factorized, SiLU"] = source => new FactorizedLinear(source, rank: 3, FactorActivation.SiLU),
        ["sparse and low-rank"] = source => new SparseLowRankLinear(source.weight.shape[1], source.weight.shape[0], rank: 3, density: 0.1),
        ["sparse and low-rank, from the seed"] = source =>
            new SparseLowRankLinear(source.weight.shape[1], source.weight.shape[0], rank: 3, density: 0.1, keepsIndices: false),
        ["NF4"] = source => new QuantizedLowRankLinear(source, rank: 3),
        ["8-bit base"] = source => new QuantizedLowRankLinear(source, rank: 3, BaseFormat.Blockwise8Bit),
        ["int8"] = source => new Int8Linear(source),
    };

    public static TheoryData<string> Layers => [.. Makers.Keys];

    public static TheoryData<string, ScalarType> LayersAndDtypes
    {
        get
        {
            var data = new TheoryData<string, ScalarType>();
            foreach (var layer in Makers.Keys)
                foreach (var dtype in new[] { ScalarType.BFloat16, ScalarType.Float16, ScalarType.Float64 })
                    data.Add(layer, dtype);
            return data;
        }
    }

    [Theory, MemberData(nameof(LayersAndDtypes))]
    public void Layer_in_another_dtype_computes_and_learns_as_before(string name, ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        var layer = Trained(name);
        layer.eval();
        var x = Normal(3, ScalarType.Float32, 9, 14);
        var before = Values(layer.call(x));

        layer.to(dtype);
        var after = layer.call(x.to(dtype));
        after.square().sum().backward();

        after.dtype.Should().Be(dtype);
        Distance(Values(after), before).Should().BeLessThan(dtype == ScalarType.Float64 ? 1e-5 : 0.02);
        layer.named_parameters().Should().OnlyContain(pair => pair.parameter.dtype == dtype);
        layer.parameters().Where(parameter => parameter.requires_grad).Should().NotBeEmpty().And.OnlyContain(parameter => parameter.grad!.dtype == dtype);
    }

    [Theory, MemberData(nameof(LayersAndDtypes))]
    public void Codes_scales_and_positions_keep_their_dtype_and_their_bits(string name, ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        var layer = Trained(name);
        var before = layer.named_buffers().Select(pair => (pair.name, pair.buffer.dtype, Values: Values(pair.buffer))).ToArray();

        layer.to(dtype);

        layer.named_buffers().Select(pair => (pair.name, pair.buffer.dtype)).Should().Equal(before.Select(buffer => (buffer.name, buffer.dtype)));
        foreach (var ((_, buffer), (_, _, values)) in layer.named_buffers().Zip(before))
            Values(buffer).Should().Equal(values);
    }

    [Theory, MemberData(nameof(LayersAndDtypes))]
    public void Moved_layer_is_saved_and_loaded_as_one_that_was_made_so(string name, ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        var (saved, other) = (Trained(name), Makers[name](Source(seed: 50)));
        saved.to(dtype);
        other.to(dtype);

        using var stream = new MemoryStream();
        saved.save(stream);
        other.load(new MemoryStream(stream.ToArray()));

        saved.eval();
        other.eval();
        var x = Normal(3, dtype, 9, 14);
        Values(other.call(x)).Should().Equal(Values(saved.call(x)));
    }

    [Theory, MemberData(nameof(Layers))]
    public void Everything_goes_to_another_device(string name)
    {
        using var scope = NewDisposeScope();
        var layer = Trained(name);

        layer.to(META, non_blocking: true);

        layer.state_dict().Should().NotBeEmpty().And.OnlyContain(pair => pair.Value.device_type == DeviceType.META);
        layer.bias!.device_type.Should().Be(DeviceType.META);
    }

    [Theory, MemberData(nameof(Layers))]
    public void Layer_that_is_where_it_is_sent_stays_as_it_is(string name)
    {
        using var scope = NewDisposeScope();
        var layer = Trained(name);
        var before = layer.state_dict();

        layer.to(CPU).to(ScalarType.Float32).to(CPU, ScalarType.Float32);

        layer.state_dict().Should().Equal(before);
    }

    [Theory, MemberData(nameof(Layers))]
    public void Gradients_move_with_their_parameters(string name)
    {
        using var scope = NewDisposeScope();
        var layer = Trained(name);
        layer.call(Normal(3, ScalarType.Float32, 9, 14)).square().sum().backward();
        var before = layer.named_parameters().Where(pair => pair.parameter.grad is not null)
            .ToDictionary(pair => pair.name, pair => Values(pair.parameter.grad!));

        layer.to(ScalarType.Float64);

        before.Should().NotBeEmpty();
        foreach (var (part, gradient) in before)
            Values(layer.get_parameter(part)!.grad!).Should().Equal(gradient);
    }

    [Theory, MemberData(nameof(Layers))]
    public void What_is_shared_with_a_plain_layer_stays_shared(string name)
    {
        using var scope = NewDisposeScope();
        var source = Source(seed: 1);
        var layer = Makers[name](source);
        var shared = layer.named_parameters().Where(pair => ReferenceEquals(pair.parameter, source.get_parameter(pair.name))).Select(pair => pair.name)
            .ToArray();

        layer.to(ScalarType.BFloat16);

        foreach (var part in shared)
            source.get_parameter(part).Should().BeSameAs(layer.get_parameter(part));
        source.weight.IsInvalid.Should().BeFalse();
        source.bias!.IsInvalid.Should().BeFalse();
    }

    private static ReparameterizedLinear Trained(string name)
    {
        var layer = Makers[name](Source(seed: 1));
        using var guard = no_grad();
        foreach (var (part, parameter) in layer.named_parameters())
            if (part is "lora_B" or "bias")
                parameter.copy_(Normal(2, parameter.dtype, parameter.shape).mul(0.1));
        return layer;
    }

    private static Linear Source(ulong seed) => Seeded(nn.Linear(14, 10), seed);
}
