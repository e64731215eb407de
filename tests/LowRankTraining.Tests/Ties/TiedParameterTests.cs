using FluentAssertions;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Ties;

/// <summary>A head that shares the table of an embedding: one parameter with one rule.</summary>
public class TiedParameterTests
{
    private static readonly Recipe Sgd = Recipe.Of("test.sgd", new SgdRule { Momentum = 0 }, new SgdRule { Momentum = 0 });

    [Fact]
    public void Step_moves_the_table_once_by_the_sum_of_both_gradients()
    {
        using var model = TiedNetwork.Tied();
        using var optimizer = Sgd.Attach(model).CreateOptimizer(lr: 0.1);
        using var expected = Expected(model, rate: 0.1);

        model.Step(optimizer);

        Close(TiedNetwork.Numbers(model.Table.weight!), TiedNetwork.Numbers(expected));
    }

    [Fact]
    public void Transposed_view_moves_with_the_table_once()
    {
        using var model = new TransposedHead();
        using var optimizer = Sgd.Attach(model).CreateOptimizer(lr: 0.1);
        using var expected = Expected(model, rate: 0.1);

        optimizer.zero_grad();
        model.call(arange(0, TiedNetwork.Rows, ScalarType.Int64)).square().mean().backward();
        optimizer.step();

        Close(TiedNetwork.Numbers(model.Table.weight!), TiedNetwork.Numbers(expected));
        optimizer.Session.Parameters.Select(plan => plan.Name).Should().Equal("tokens.weight", "body.weight", "body.bias");
    }

    [Fact]
    public void Table_counts_as_a_table_whatever_the_head_is_called()
    {
        using var model = TiedNetwork.Tied();
        using var session = new GaLore { Rank = 2 }.Attach(model);

        session.Parameters.Select(plan => plan.Name).Should().Equal("tokens.weight", "body.weight", "body.bias");
        session.Parameters[0].Rule.Should().BeOfType<AdamRule>();
        Targets.AllMatrices().Inspect(model).Should().Equal("body.weight");
        Targets.AllLinear().Inspect(model).Should().Equal("body.weight");
    }

    [Fact]
    public void Pattern_chooses_a_shared_weight_by_the_name_of_its_matrix()
    {
        using var model = TiedNetwork.Tied();

        Targets.Matching("decoder").Inspect(model).Should().Equal("tokens.weight");
        Targets.Matching("tokens", "body").Inspect(model).Should().Equal("body.weight");
        Targets.Matching("decoder", "body").Except("tokens").Inspect(model).Should().Equal("body.weight");
    }

    [Fact]
    public void Every_object_for_the_table_finds_its_state()
    {
        using var model = TiedNetwork.Tied();
        using var optimizer = Sgd.Attach(model).CreateOptimizer();

        optimizer.StateOf(model.Table.weight!).Should().BeSameAs(optimizer.StateOf(model.Head.weight)).And.BeSameAs(optimizer.StateOf(model.Table.weight!));
    }

    [Fact]
    public void State_gradients_and_the_plan_count_the_table_once()
    {
        using var model = TiedNetwork.Tied();
        using var optimizer = new GaLore { Rank = 2 }.Attach(model).CreateOptimizer();
        var numbers = TiedNetwork.Rows * TiedNetwork.Columns + TiedNetwork.Columns * TiedNetwork.Columns + TiedNetwork.Columns;

        model.Step(optimizer);

        MemoryPlan.For(optimizer.Session).GradientBytes.Should().Be(numbers * sizeof(float));
        MemoryPlan.For(optimizer.Session).StateBytes.Should().Be(optimizer.StateBytes);
        optimizer.parameters().Sum(parameter => parameter.numel()).Should().Be(numbers);
    }

    [Fact]
    public void Clipping_the_optimizers_parameters_counts_the_table_once()
    {
        using var model = TiedNetwork.Tied();
        using var optimizer = Sgd.Attach(model).CreateOptimizer();
        model.Loss().backward();
        var squares = model.named_parameters().Where(pair => pair.name is "tokens.weight" or "body.weight" or "body.bias")
            .Sum(pair => TiedNetwork.Numbers(pair.parameter.grad!).Sum(number => number * number));

        nn.utils.clip_grad_norm_(optimizer.parameters(), max_norm: 1e9).Should().BeApproximately(Math.Sqrt(squares), 1e-5);
    }

    [Fact]
    public void List_of_parameters_is_enough_to_see_the_tie()
    {
        using var model = TiedNetwork.Tied();
        using var optimizer = GaLore.AdamW(model.named_parameters(), rank: 2);

        optimizer.parameters().Should().HaveCount(3);
    }

    [Fact]
    public void Added_group_takes_a_shared_parameter_once_and_refuses_it_twice()
    {
        using var model = TiedNetwork.Tied();
        using var other = new Parameter(zeros(3, 3));
        using var optimizer = GaLore.AdamW([("other", other)], rank: 2);

        optimizer.add_param_group(new LowRankOptimizer.ParamGroup([model.Table.weight!, model.Head.weight]));
        var again = () => optimizer.add_param_group(new LowRankOptimizer.ParamGroup([model.Table.weight!]));

        optimizer.parameters().Should().HaveCount(2);
        again.Should().Throw<ArgumentException>().WithMessage("*two groups*");
    }

    [Fact]
    public void Frozen_object_freezes_the_tie()
    {
        using var model = TiedNetwork.Tied();
        model.Head.weight.requires_grad = false;
        using var session = Sgd.Attach(model);

        session.Parameters.Where(plan => plan.Parameter.requires_grad).Select(plan => plan.Name).Should().Equal("body.weight", "body.bias");
    }

    [Theory]
    [InlineData("detached")]
    [InlineData("transposed under no_grad")]
    [InlineData("slice under no_grad")]
    public void Parameters_over_one_memory_with_gradients_of_their_own_are_refused(string way)
    {
        using var model = new TiedNetwork(table =>
        {
            using var guard = no_grad();
            return new Parameter(way switch
            {
                "detached" => table.detach(),
                "transposed under no_grad" => table.t(),
                _ => table.narrow(0, 2, 4),
            });
        });
        var before = model.Snapshot();

        foreach (var strategy in new ILowRankStrategy[] { Sgd, new LoRA { Rank = 2 }, new QGaLore { Rank = 2 } })
        {
            var attach = () => strategy.Attach(model);
            attach.Should().Throw<ArgumentException>().WithMessage("*'tokens.weight' and 'decoder.weight'*head.weight = embedding.weight*Nothing was changed.");
        }

        model.Snapshot().Should().BeEquivalentTo(before, options => options.WithStrictOrdering());
    }

    [Fact]
    public void Parameters_beside_each_other_in_one_storage_are_trained()
    {
        using var packed = zeros(4, 6);
        using var guard = no_grad();
        using var left = new Parameter(packed.narrow(1, 0, 3));
        using var right = new Parameter(packed.narrow(1, 3, 3));

        using var optimizer = GaLore.AdamW([("left", left), ("right", right)], rank: 2);

        optimizer.parameters().Should().HaveCount(2);
    }

    [Fact]
    public void Cell_and_head_are_tied_through_the_cells_getter()
    {
        using var cell = nn.GRUCell(4, 4, bias: false);
        using var head = nn.Linear(4, 12, hasBias: false);
        head.weight = cell.weight_ih!;
        using var optimizer = Sgd.Attach(new Holder(cell, head)).CreateOptimizer();

        optimizer.parameters().Should().HaveCount(2);
        optimizer.StateOf(head.weight).Should().BeSameAs(optimizer.StateOf(cell.weight_ih!));
    }

    [Fact]
    public void Session_with_two_plans_for_one_parameter_is_refused()
    {
        using var table = nn.Embedding(4, 3);
        var make = () => new LowRankOptimizer(new TwicePlanned(table));

        make.Should().Throw<ArgumentException>().WithMessage("*'one' and 'two' are one parameter*plan for each*");
    }

    /// <summary>The table after one step, from the gradient of the same model with one tensor in both places.</summary>
    private static Tensor Expected(nn.Module model, double rate)
    {
        var named = model.named_parameters().ToDictionary(pair => pair.name, pair => pair.parameter);
        var table = named["tokens.weight"].detach().clone().requires_grad_();
        var rows = table.index_select(0, arange(0, TiedNetwork.Rows, ScalarType.Int64));
        var hidden = nn.functional.linear(rows, named["body.weight"].detach(), named["body.bias"].detach()).tanh();
        hidden.mm(table.t()).square().mean().backward();
        return (table - rate * table.grad!).detach();
    }

    private static void Close(double[] actual, double[] expected) =>
        actual.Zip(expected, (one, other) => Math.Abs(one - other)).Max().Should().BeLessThan(1e-6);

    [Fact]
    public void Transposed_view_that_a_move_has_parted_is_refused_at_the_step()
    {
        using var model = new TransposedHead();
        var session = Sgd.Attach(model);
        model.to(ScalarType.Float64);
        using var optimizer = session.CreateOptimizer(lr: 0.1);

        optimizer.Invoking(moved => moved.step()).Should().Throw<InvalidOperationException>()
            .WithMessage("*were one parameter when the strategy was attached*");
    }

    private sealed class TransposedHead : nn.Module<Tensor, Tensor>
    {
        private readonly Embedding tokens = nn.Embedding(TiedNetwork.Rows, TiedNetwork.Columns);
        private readonly nn.Module<Tensor, Tensor> body = nn.Linear(TiedNetwork.Columns, TiedNetwork.Columns);
        private readonly Parameter decoder;

        public TransposedHead() : base(nameof(TransposedHead))
        {
            decoder = new Parameter(tokens.weight!.t());
            RegisterComponents();
        }

        public Embedding Table => tokens;

        public override Tensor forward(Tensor input) => body.call(tokens.call(input)).tanh().mm(decoder);
    }

    private sealed class Holder : nn.Module
    {
        private readonly GRUCell cell;
        private readonly Linear head;

        public Holder(GRUCell cell, Linear head) : base(nameof(Holder))
        {
            (this.cell, this.head) = (cell, head);
            RegisterComponents();
        }
    }

    private sealed class TwicePlanned(Embedding table) : ILowRankSession
    {
        public string Strategy => "test.twice";

        public ulong Seed => 0;

        public IReadOnlyList<ParameterPlan> Parameters { get; } = [new("one", table.weight!, new AdamRule()), new("two", table.weight!, new AdamRule())];

        public void AfterStep(in StepContext step, IOptimizerState state) { }

        public void ResumeAt(long step, IOptimizerState state) { }

        public void Finish() { }

        public void Dispose() { }
    }
}
