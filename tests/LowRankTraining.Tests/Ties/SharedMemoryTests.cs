using FluentAssertions;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Ties;

/// <summary>Which tensors are the same parameter, and which lie over each other in memory.</summary>
public class SharedMemoryTests
{
    public static TheoryData<string> NativeGetters => ["Embedding", "EmbeddingBag", "LSTMCell", "GRUCell", "RNNCell"];

    [Theory, MemberData(nameof(NativeGetters))]
    public void Every_read_of_a_native_getter_is_the_same_parameter(string module)
    {
        using var scope = NewDisposeScope();
        var (owner, read) = Getter(module);
        using var _ = owner;
        using var optimizer = GaLore.AdamW(owner.named_parameters(), rank: 2);

        optimizer.StateOf(read()).Should().BeSameAs(optimizer.StateOf(read()))
            .And.BeSameAs(optimizer.StateOf(owner.parameters().First(parameter => parameter.dim() == 2)));
    }

    /// <summary>libtorch refuses to write it in the middle of a step, when other weights are updated already.</summary>
    [Fact]
    public void Parameter_that_shows_a_number_in_several_places_is_refused_before_the_first_step()
    {
        using var scope = NewDisposeScope();
        using var other = nn.Linear(4, 4);
        using var optimizer = GaLore.AdamW(other.named_parameters(), rank: 2);
        var expanded = new Parameter(rand(8, 1).expand(8, 6));

        foreach (var refused in new Action[]
        {
            () => GaLore.AdamW([("table", expanded)], rank: 2),
            () => optimizer.add_param_group(new LowRankOptimizer.ParamGroup([("table", expanded)])),
        })
            refused.Should().Throw<ArgumentException>().WithMessage("'table' shows one number in several places*clone()*Nothing was changed.");
        using (GaLore.AdamW([("table", new Parameter(expanded.detach().clone()))], rank: 2))
            optimizer.ParamGroups.Should().ContainSingle();
    }

    [Fact]
    public void Parameter_stays_the_same_when_its_storage_changes()
    {
        using var weight = new Parameter(zeros(4, 3));
        using var optimizer = GaLore.AdamW([("weight", weight)], rank: 2);
        var state = optimizer.StateOf(weight);

        using (no_grad())
            weight.set_(ones(5, 7));

        optimizer.StateOf(weight).Should().BeSameAs(state);
    }

    [Fact]
    public void Tensors_without_memory_are_not_each_other()
    {
        using var scope = NewDisposeScope();
        Parameter[] bare = [new(zeros(0)), new(zeros(0)), new(zeros([0], ScalarType.BFloat16)), new(empty([3], device: META)), new(empty([3], device: META))];

        using var session = new Spam().Attach(bare.Select((parameter, index) => ($"bare[{index}]", parameter)));

        session.Parameters.Should().HaveCount(bare.Length);
    }

    [Theory]
    [InlineData(ScalarType.Float64)]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Float16)]
    public void Views_lie_over_what_they_show(ScalarType dtype)
    {
        using var guard = no_grad();
        using var whole = zeros([6, 4], dtype);

        Refused(whole, whole.t());
        Refused(whole, whole.detach());
        Refused(whole.narrow(0, 0, 4), whole.narrow(0, 3, 3));
        Refused(whole.narrow(1, 0, 3), whole.narrow(1, 2, 2));
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    public void Slices_beside_each_other_are_parameters_of_their_own(ScalarType dtype)
    {
        using var guard = no_grad();
        using var whole = zeros([6, 4], dtype);

        Taken(whole.narrow(0, 0, 3), whole.narrow(0, 3, 3));
        Taken(whole.narrow(1, 0, 2), whole.narrow(1, 2, 2));
        Taken(whole.detach(), whole.clone());
    }

    [Fact]
    public void Added_group_may_not_lie_over_what_is_trained_already()
    {
        using var guard = no_grad();
        using var weight = new Parameter(zeros(4, 3));
        using var over = new Parameter(weight.t());
        using var optimizer = GaLore.AdamW([("weight", weight)], rank: 2);
        var add = () => optimizer.add_param_group(new LowRankOptimizer.ParamGroup([over]));

        add.Should().Throw<ArgumentException>().WithMessage("'weight' and 'added[1]' are two parameters over the same memory*Nothing was changed.");
        optimizer.parameters().Should().ContainSingle();
    }

    private static void Refused(Tensor left, Tensor right) =>
        FluentActions.Invoking(() => Attach(left, right)).Should().Throw<ArgumentException>()
            .WithMessage("'left' and 'right' are two parameters over the same memory*");

    private static void Taken(Tensor left, Tensor right)
    {
        using var session = Attach(left, right);
        session.Parameters.Should().HaveCount(2);
    }

    private static ILowRankSession Attach(Tensor left, Tensor right) =>
        new GaLore { Rank = 2 }.Attach([("left", new Parameter(left.alias())), ("right", new Parameter(right.alias()))]);

    private static (nn.Module Module, Func<Parameter> Weight) Getter(string module)
    {
        switch (module)
        {
            case "Embedding":
                var table = nn.Embedding(4, 3);
                return (table, () => table.weight!);
            case "EmbeddingBag":
                var bag = nn.EmbeddingBag(4, 3);
                return (bag, () => bag.weight!);
            case "LSTMCell":
                var lstm = nn.LSTMCell(3, 3);
                return (lstm, () => lstm.weight_ih!);
            case "GRUCell":
                var gru = nn.GRUCell(3, 3);
                return (gru, () => gru.weight_ih!);
            default:
                var rnn = nn.RNNCell(3, 3);
                return (rnn, () => rnn.weight_ih!);
        }
    }
}
