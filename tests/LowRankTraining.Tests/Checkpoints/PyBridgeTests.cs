using FluentAssertions;
using LowRankTraining.Checkpoints;
using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.PyBridge;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Checkpoints;

/// <summary>Files of the library are read by code that is not ours, TorchSharp.PyBridge, and its files by the library.</summary>
public sealed class PyBridgeTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("pybridge-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    public static TheoryData<ScalarType> Types => [ScalarType.Float32, ScalarType.Float64, ScalarType.Float16, ScalarType.BFloat16];

    [Theory, MemberData(nameof(Types))]
    public void PyBridge_reads_the_tensors_that_were_written(ScalarType type)
    {
        using var scope = NewDisposeScope();
        var path = Path.Combine(_folder, "ours.safetensors");
        var (model, other) = (Network(1, type), Network(2, type));

        SafeTensorsFile.Write(path, [.. model.state_dict().Select(pair => (pair.Key, pair.Value))], new Dictionary<string, string> { ["format"] = "pt" });
        other.load_safetensors(path);

        Values(other).Should().Equal(Values(model));
    }

    [Theory, MemberData(nameof(Types))]
    public void Tensors_that_PyBridge_wrote_are_read(ScalarType type)
    {
        using var scope = NewDisposeScope();
        var path = Path.Combine(_folder, "theirs.safetensors");
        var model = Network(1, type);

        model.save_safetensors(path);

        using var file = SafeTensorsFile.Open(path);
        file.Names.Should().BeEquivalentTo(model.state_dict().Keys);
        foreach (var (name, tensor) in model.state_dict())
        {
            (file.TypeOf(name), file.ShapeOf(name)).Should().BeEquivalentTo((type, tensor.shape));
            file.Read(name).to(ScalarType.Float64).data<double>().ToArray().Should().Equal(tensor.to(ScalarType.Float64).data<double>().ToArray(), name);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Adapter_goes_there_and_comes_back(bool usesDoRA)
    {
        using var scope = NewDisposeScope();
        var original = Network(1, ScalarType.Float32);
        var model = CopyOf(original);
        var session = Method(usesDoRA).Attach(model);
        Disturb(session);
        PeftAdapter.Save(_folder, session);
        var tensors = Path.Combine(_folder, "adapter_model.safetensors");

        // PEFT's own tree of modules, so that PyBridge has somewhere to put what it reads.
        var tree = PeftTree(usesDoRA);
        tree.load_safetensors(tensors);
        using (var saved = SafeTensorsFile.Open(tensors))
            foreach (var (name, tensor) in tree.state_dict())
                tensor.data<float>().ToArray().Should().Equal(saved.Read(name).data<float>().ToArray(), name);
        File.Delete(tensors);
        tree.save_safetensors(tensors);

        var other = CopyOf(original);
        var loaded = PeftAdapter.MethodOf(_folder).Attach(other, PeftAdapter.TargetsOf(_folder));
        PeftAdapter.Load(_folder, loaded);
        foreach (var (name, parameter) in loaded.Parameters.Select(plan => (plan.Name, plan.Parameter)))
            parameter.data<float>().ToArray().Should().Equal(session.Parameters.First(plan => plan.Name == name).Parameter.data<float>().ToArray(), name);
        var input = arange(24, ScalarType.Float32).view(2, 12) / 10;
        other.call(input).data<float>().ToArray().Should().Equal(model.call(input).data<float>().ToArray());
        model.call(input).allclose(original.call(input), 1e-5, 1e-6, false).Should().BeFalse("the adapter does something");
    }

    private static LoRAMethod Method(bool usesDoRA) => usesDoRA
        ? new DoRA { Rank = 4, Alpha = 8, TrainOthers = false }
        : new LoRA { Rank = 4, Alpha = 8, TrainOthers = false };

    private static nn.Module<Tensor, Tensor> Network(long seed, ScalarType type)
    {
        manual_seed(seed);
        var model = nn.Sequential(("first", nn.Linear(12, 16)), ("active", nn.ReLU()), ("second", nn.Linear(16, 8)));
        model.to(type);
        return model;
    }

    /// <summary>By its weights and not by its seed: tests that run at the same time draw from one generator.</summary>
    private static nn.Module<Tensor, Tensor> CopyOf(nn.Module<Tensor, Tensor> original)
    {
        var copy = Network(1, ScalarType.Float32);
        copy.load_state_dict(original.state_dict());
        return copy;
    }

    private static Branch PeftTree(bool usesDoRA)
    {
        return new(("base_model", new Branch(("model", new Branch(("first", Layer(12, 16)), ("second", Layer(16, 8)))))));

        Branch Layer(int inputs, int outputs)
        {
            var layer = new Branch(("lora_A", nn.Linear(inputs, 4, hasBias: false)), ("lora_B", nn.Linear(4, outputs, hasBias: false)));
            if (usesDoRA)
                layer.register_parameter("lora_magnitude_vector", new(ones(outputs)));
            return layer;
        }
    }

    private static void Disturb(AdapterSession session)
    {
        using var frozen = no_grad();
        foreach (var plan in session.Parameters.Where(plan => plan.Parameter.requires_grad))
            plan.Parameter.add_(randn_like(plan.Parameter), 0.3);
    }

    private static double[] Values(nn.Module model) =>
        [.. model.state_dict().Values.SelectMany(tensor => tensor.to(ScalarType.Float64).data<double>().ToArray())];

    /// <summary>A place in a tree of names.</summary>
    private sealed class Branch : nn.Module
    {
        public Branch(params (string Name, nn.Module Module)[] children) : base(nameof(Branch))
        {
            foreach (var (name, module) in children)
                register_module(name, module);
        }
    }
}
