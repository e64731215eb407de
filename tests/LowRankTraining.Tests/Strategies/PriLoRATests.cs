using FluentAssertions;
using LowRankTraining.Checkpoints;
using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Adapters;
using Microsoft.Extensions.Options;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Strategies;

public class PriLoRATests
{
    [Fact]
    public void Rank_grows_with_the_number_of_the_block()
    {
        using var model = new Blocks(5);
        using var session = new PriLoRA { FirstRank = 2, Rank = 12 }.Attach(model);

        // 2 + 10 ℓ / 4; both matrices of a block have its rank.
        session.Layers.Select(layer => layer.Rank).Should().Equal(2, 2, 5, 5, 7, 7, 10, 10, 12, 12);
        var scale = ((LowRankLinear)model.named_modules().First(pair => pair.name == "layers.2.up").module).Scale;
        scale.Should().BeApproximately(8.0 / 7, 1e-12);
    }

    [Fact]
    public void Modules_without_a_number_are_a_block_each()
    {
        using var model = new OpenNetwork();
        using var session = new PriLoRA { FirstRank = 3, Rank = 9 }.Attach(model);

        session.Layers.Select(layer => (layer.Name, layer.Rank)).Should().Equal(("first.weight", 3), ("second.weight", 9));
    }

    [Theory]
    [InlineData(Injection.Replace, false)]
    [InlineData(Injection.Hook, false)]
    [InlineData(Injection.Replace, true)]
    public void Half_of_each_row_is_zero_after_an_event_and_grows_again(Injection way, bool groups)
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer = Attach(model, new() { PruneEvery = 4, Injection = way, Sparsity = groups ? Sparsity.TwoOfFour : Sparsity.Share(0.5) });
        var a = model.named_parameters().First(pair => pair.name == "first.lora_A").parameter;

        Run(model, optimizer, 3);
        Values(a).Should().NotContain(0);

        Step(model, optimizer);
        var width = groups ? 4 : 12;
        Values(a).Chunk(width).Should().OnlyContain(entries => entries.Count(value => value == 0) == width / 2);

        Step(model, optimizer);
        Values(a).Should().NotContain(0, "pruned entries are trained on");
    }

    [Fact]
    public void What_goes_is_small_or_meets_small_inputs()
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer = Attach(model, new() { PruneEvery = 1, NormDecay = 0 }, rate: 0);
        var layer = (LowRankLinear)model.named_children().First().module;
        var before = Values(layer.lora_A);

        Step(model, optimizer);

        using var scope = NewDisposeScope();
        var norms = Values(Inputs(model, 0).square().mean([0]).sqrt());
        var expected = before.Chunk(12).SelectMany(row =>
        {
            var importance = row.Zip(norms, (entry, norm) => Math.Abs(entry) * norm).ToArray();
            var threshold = importance.Order().ElementAt(6);
            return row.Zip(importance, (entry, own) => own < threshold ? 0 : entry);
        });
        Values(layer.lora_A).Should().Equal(expected);
    }

    [Fact]
    public void Pruning_keeps_to_its_time()
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer = Attach(model, new() { PruneEvery = 2, PruneFrom = 4, PruneUntil = 7 });
        var layer = (LowRankLinear)model.named_children().First().module;

        var pruned = Enumerable.Range(1, 10).Where(_ =>
        {
            Step(model, optimizer);
            return Values(layer.lora_A).Contains(0);
        });

        pruned.Should().Equal(4, 6);
    }

    [Fact]
    public void Only_batches_that_are_trained_on_count()
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer = Attach(model, new() { PruneEvery = 100 });
        var state = optimizer.StateOf(((LowRankLinear)model.named_children().First().module).lora_A);
        Step(model, optimizer);
        var norms = Values(state["input_norms"]);

        Output(model);
        model.eval();
        using (NewDisposeScope())
            model.call(Inputs(model, 5));
        model.train();
        optimizer.zero_grad();
        optimizer.step();

        Values(state["input_norms"]).Should().Equal(norms);
    }

    [Fact]
    public void Batches_without_rows_and_inputs_that_are_not_finite_do_not_spoil_the_norms()
    {
        using var scope = NewDisposeScope();
        using var model = Seeded(new OpenNetwork());
        using var optimizer = Attach(model, new() { PruneEvery = 100, NormDecay = 0.5 }, rate: 0);
        var (first, second) = (Factor("first"), Factor("second"));
        Step(model, optimizer);
        var (seen, inside) = (Norms(first), Norms(second));

        model.call(zeros(0, 12));
        var broken = ones(4, 12);
        broken[1, 3] = float.NaN;
        broken[2, 5] = float.PositiveInfinity;
        model.call(broken);
        optimizer.zero_grad();
        optimizer.step();

        Norms(first).Should().Equal(seen.Select((norm, index) => index is 3 or 5 ? norm : (float)(0.5 * norm) + 0.5f));
        Norms(second).Should().Equal(inside, "the first layer has spread it over all entries");

        Parameter Factor(string layer) => ((LowRankLinear)model.named_children().Single(child => child.name == layer).module).lora_A;
        double[] Norms(Parameter factor) => Values(optimizer.StateOf(factor)["input_norms"]);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Adapter_is_saved_as_the_end_of_the_training_leaves_it(bool atFinish)
    {
        var folder = Directory.CreateTempSubdirectory("lowrank-").FullName;
        try
        {
            using var scope = NewDisposeScope();
            using var model = Seeded(new OpenNetwork(ScalarType.Float64));
            using var optimizer = Attach(model, new() { PruneEvery = 100, PruneAtFinish = atFinish });
            var before = model.get_parameter("first.weight")!.detach().clone();
            Run(model, optimizer, 5);
            var layer = (LowRankLinear)model.named_children().First().module;

            PeftAdapter.Save(folder, optimizer.Session);

            Values(layer.lora_A).Should().NotContain(0, "the session trains on with what it has");
            using var file = SafeTensorsFile.Open(Path.Combine(folder, "adapter_model.safetensors"));
            var (a, b) = (file.Read("base_model.model.first.lora_A.weight"), file.Read("base_model.model.first.lora_B.weight"));
            Values(a).Chunk(12).Should().OnlyContain(row => row.Count(value => value == 0) == (atFinish ? 6 : 0));
            var scale = layer.Scale;
            optimizer.Session.Finish();
            Draw.Error(model.get_parameter("first.weight")!.detach(), before + b.mm(a).mul(scale)).Should().BeLessThan(1e-12);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Moments_of_pruned_entries_are_forgotten_on_request(bool forgets)
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer = Attach(model, new() { PruneEvery = 3, ResetPruned = forgets });
        Run(model, optimizer, 3);

        var layer = (LowRankLinear)model.named_children().First().module;
        var (pruned, state) = (Values(layer.lora_A).Select(value => value == 0), optimizer.StateOf(layer.lora_A));
        var gone = Values(state["exp_avg"]).Select(value => value == 0).ToArray();

        gone.Should().Equal(forgets ? pruned : gone.Select(_ => false));
        Values(state["exp_avg_sq"]).Select(value => value == 0).Should().Equal(gone);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Factors_are_pruned_before_they_are_merged(bool atFinish)
    {
        using var scope = NewDisposeScope();
        using var model = Seeded(new OpenNetwork(ScalarType.Float64));
        using var optimizer = Attach(model, new() { PruneEvery = 100, PruneAtFinish = atFinish });
        var before = model.get_parameter("first.weight")!.detach().clone();
        Run(model, optimizer, 5);
        var layer = (LowRankLinear)model.named_children().First().module;
        var importance = layer.lora_A.detach().abs() * optimizer.StateOf(layer.lora_A)["input_norms"];
        var kept = atFinish ? Sparsity.Share(0.5).Survivors(importance).to(ScalarType.Float64) : ones_like(importance);
        var expected = before + layer.lora_B.detach().mm(layer.lora_A.detach() * kept).mul(layer.Scale);

        optimizer.Session.Finish();

        Draw.Error(model.get_parameter("first.weight")!.detach(), expected).Should().BeLessThan(1e-12);
    }

    [Fact]
    public void Groups_that_do_not_divide_the_rows_are_an_error_before_anything_is_changed()
    {
        using var model = new OpenNetwork();
        var names = model.named_parameters().Select(pair => pair.name).ToArray();
        var strategy = new PriLoRA { Sparsity = Sparsity.OfEvery(2, 5) };

        model.Invoking(plain => strategy.Attach(plain)).Should().Throw<ArgumentException>()
            .WithMessage("A Sparsity of 2 of every 5 does not divide the rows of 2 of the matrices: first.weight (12 columns), second.weight (16 columns)*");
        model.named_parameters().Select(pair => pair.name).Should().Equal(names);
    }

    [Fact]
    public void Hook_that_is_passed_by_is_an_error_since_a_shadow_sees_no_inputs()
    {
        using var model = Seeded(new SealedNetwork(passesHooksBy: true));
        using var optimizer = Attach(model, new());

        model.Invoking(plain => Run(plain, optimizer, 2)).Should().Throw<InvalidOperationException>().WithMessage("*hook*");
    }

    [Fact]
    public void Sparsity_out_of_range_is_refused()
    {
        foreach (var wrong in new Action[] { () => Sparsity.Share(0), () => Sparsity.Share(1), () => Sparsity.OfEvery(0, 4), () => Sparsity.OfEvery(4, 4) })
            wrong.Should().Throw<ArgumentOutOfRangeException>();
        using var importance = ones(2, 6);
        FluentActions.Invoking(() => Sparsity.TwoOfFour.Survivors(importance)).Should().Throw<ArgumentException>().WithMessage("*groups of 4 do not divide*");
    }

    [Fact]
    public void Wrong_options_are_listed_all_at_once()
    {
        var wrong = new PriLoRA { FirstRank = 0, PruneEvery = 0, Sparsity = null!, PruneFrom = 5, PruneUntil = 3, NormDecay = 1, Injection = Injection.Shadow };

        FluentActions.Invoking(() => Checks.Require(wrong)).Should().Throw<OptionsValidationException>().Which.Failures.Should().HaveCount(6);
    }

    private static LowRankOptimizer Attach(nn.Module model, PriLoRA options, double rate = 0.01) =>
        (options with { FirstRank = 4, Rank = 4 }).Attach(model).CreateOptimizer(rate);

    /// <summary>Blocks of two linear layers each.</summary>
    private sealed class Blocks : nn.Module<Tensor, Tensor>
    {
        private readonly ModuleList<Block> layers;

        public Blocks(int count) : base(nameof(Blocks))
        {
            layers = nn.ModuleList(Enumerable.Range(0, count).Select(_ => new Block()).ToArray());
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => layers.Aggregate(input, (hidden, block) => block.call(hidden));
    }

    private sealed class Block : nn.Module<Tensor, Tensor>
    {
        private readonly nn.Module<Tensor, Tensor> up = nn.Linear(16, 24), down = nn.Linear(24, 16);

        public Block() : base(nameof(Block)) => RegisterComponents();

        public override Tensor forward(Tensor input) => down.call(up.call(input).tanh());
    }
}
