using FluentAssertions;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace TorchSharp.SystemLibtorch.Tests.Optimizers;

public sealed class OptimizerStateTests
{
    public static TheoryData<string> Kinds => ["adamw", "amsgrad", "sgd"];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Training_goes_on_identically_from_a_saved_state(string kind)
    {
        using var whole = new Training(kind);
        whole.Run(0, 6);

        using var first = new Training(kind);
        first.Run(0, 3);
        using var model = new MemoryStream();
        using var state = new MemoryStream();
        first.Model.save(model);
        using (var writer = new BinaryWriter(state))
        {
            first.Optimizer.save_state_dict(writer);
        }

        using var second = new Training(kind);
        second.Model.load(new MemoryStream(model.ToArray()));
        using (var reader = new BinaryReader(new MemoryStream(state.ToArray())))
        {
            second.Optimizer.load_state_dict(reader);
        }

        second.Run(3, 6);

        second.Weights.Should().Equal(whole.Weights);
        second.Optimizer.state_dict().State.Zip(whole.Optimizer.state_dict().State)
            .Should().OnlyContain(pair => pair.First.ApproximatelyEquals(pair.Second));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_state_dictionary_moves_state_and_options_to_another_optimizer(string kind)
    {
        using var source = new Training(kind);
        source.Run(0, 3);
        source.Optimizer.ParamGroups.First().LearningRate = 0.007;
        var target = new Training(kind);

        target.Optimizer.load_state_dict(source.Optimizer.state_dict());

        target.Optimizer.ParamGroups.First().LearningRate.Should().Be(0.007);
        target.Optimizer.state_dict().State.Zip(source.Optimizer.state_dict().State)
            .Should().OnlyContain(pair => pair.First.ApproximatelyEquals(pair.Second));
    }

    [Fact]
    public void The_stream_begins_with_the_type_the_counts_and_the_options()
    {
        using var training = new Training("sgd");
        using var stream = new MemoryStream();
        using (var writer = new BinaryWriter(stream))
        {
            training.Optimizer.save_state_dict(writer);
        }

        using var reader = new BinaryReader(new MemoryStream(stream.ToArray()));
        reader.ReadString().Should().Be("SGD");
        (reader.ReadByte(), reader.ReadByte()).Should().Be((1, 2));
        (reader.ReadDouble(), reader.ReadDouble()).Should().Be((0.01, 0.01));
        (reader.ReadDouble(), reader.ReadDouble(), reader.ReadDouble()).Should().Be((0.9, 0, 0));
        (reader.ReadBoolean(), reader.ReadBoolean()).Should().Be((false, false));
        (reader.ReadBoolean(), reader.ReadBoolean()).Should().Be((false, false), "no buffer exists before the first step");
        reader.BaseStream.Position.Should().Be(reader.BaseStream.Length);
    }

    [Fact]
    public void A_state_of_another_optimizer_or_another_model_is_refused()
    {
        using var sgd = new Training("sgd");
        using var adamw = new Training("adamw");
        using var other = nn.Linear(3, 1, hasBias: false);
        using var small = optim.SGD(other.parameters(), 0.1);
        var file = Path.GetTempFileName();
        sgd.Optimizer.save_state_dict(file);

        adamw.Optimizer.Invoking(o => o.load_state_dict(file)).Should().Throw<InvalidDataException>().WithMessage("*'AdamW'*'SGD'*");
        small.Invoking(o => o.load_state_dict(file)).Should().Throw<ArgumentException>().WithMessage("*number of states*");
        File.Delete(file);
    }

    [Fact]
    public void Parameters_of_a_group_are_walked_anew_at_every_use()
    {
        using var layer = nn.Linear(2, 2);
        using var optimizer = optim.SGD(layer.parameters(), 0.1);

        layer.bias = null;

        optimizer.parameters().Should().ContainSingle();
    }

    private sealed class Training : IDisposable
    {
        public Training(string kind)
        {
            Model = nn.Linear(3, 1);
            nn.init.constant_(Model.weight, 0.5);
            nn.init.constant_(Model.bias!, 0.1);
            Optimizer = kind switch
            {
                "adamw" => optim.AdamW(Model.parameters(), lr: 0.01, weight_decay: 0.1),
                "amsgrad" => optim.AdamW(Model.named_parameters(), lr: 0.01, amsgrad: true),
                "sgd" => optim.SGD(Model.parameters(), 0.01, momentum: 0.9),
                _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "Not a kind of optimizer."),
            };
        }

        public Linear Model { get; }

        public OptimizerHelper Optimizer { get; }

        public float[] Weights => Model.parameters().SelectMany(parameter => parameter.data<float>().ToArray()).ToArray();

        public void Run(int from, int to)
        {
            for (var step = from; step < to; step++)
            {
                using var scope = NewDisposeScope();
                var input = tensor(new float[] { step, 1, -step }).reshape(1, 3);
                Optimizer.zero_grad();
                nn.functional.mse_loss(Model.call(input), full(1, 1, step)).backward();
                Optimizer.step();
            }
        }

        public void Dispose()
        {
            Optimizer.Dispose();
            Model.Dispose();
        }
    }
}
