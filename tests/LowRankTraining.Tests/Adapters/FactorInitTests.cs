using FluentAssertions;
using LowRankTraining.Checkpoints;
using LowRankTraining.Layers;
using LowRankTraining.Strategies;
using TorchSharp;
using Xunit;
using static LowRankTraining.Tests.Adapters.Training;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Adapters;

public class FactorInitTests
{
    public static TheoryData<FactorInit, Injection> Starts
    {
        get
        {
            var data = new TheoryData<FactorInit, Injection>();
            foreach (var init in new[] { FactorInit.Kaiming, FactorInit.Gaussian, FactorInit.PiSSA, FactorInit.OLoRA })
                foreach (var injection in new[] { Injection.Replace, Injection.Hook, Injection.Shadow })
                    data.Add(init, injection);
            return data;
        }
    }

    [Theory, MemberData(nameof(Starts))]
    public void Model_starts_as_the_plain_one_learns_and_ends_as_it_learnt(FactorInit init, Injection injection)
    {
        using var model = Seeded(new OpenNetwork());
        var (plain, weights) = (Output(model), Weights(model));
        using var optimizer = Strategy(init, injection).Attach(model).CreateOptimizer(0.01);
        Distance(Output(model), plain).Should().BeLessThan(1e-5);

        Run(model, optimizer, 5);
        var learnt = Output(model);
        Distance(learnt, plain).Should().BeGreaterThan(1e-3);
        optimizer.Session.Finish();
        Distance(Output(model), learnt).Should().BeLessThan(1e-5);
        model.state_dict().Keys.Should().Equal(weights.Keys);
    }

    [Theory]
    [InlineData(FactorInit.PiSSA)]
    [InlineData(FactorInit.OLoRA)]
    public void Finish_without_training_gives_the_weights_back(FactorInit init)
    {
        using var model = Seeded(new OpenNetwork(ScalarType.Float64));
        var before = Weights(model);
        using var session = Strategy(init, Injection.Replace).Attach(model);

        session.Finish();

        foreach (var (name, values) in Weights(model))
            Distance(values, before[name]).Should().BeLessThan(1e-14);
    }

    [Fact]
    public void Principal_factors_are_the_leading_singular_triplets()
    {
        using var scope = NewDisposeScope();
        using var model = Seeded(new OpenNetwork(ScalarType.Float64));
        var original = model.get_parameter("first.weight")!.detach().clone();
        using var session = Strategy(FactorInit.PiSSA, Injection.Replace).Attach(model);

        var values = Values(linalg.svdvals(original));
        var (a, b, rest) = (Parameter(model, "first.lora_A"), Parameter(model, "first.lora_B"), Parameter(model, "first.weight"));

        Distance(Values(linalg.svdvals(rest)), [.. values[4..], 0, 0, 0, 0]).Should().BeLessThan(1e-12);
        Distance(Values(b.t().mm(b)), Values(diag(tensor(values[..4].Select(value => value / 2).ToArray())))).Should().BeLessThan(1e-12, "s is 2");
        Distance(Values(a.mm(a.t())), Values(diag(tensor(values[..4].Select(value => value / 2).ToArray())))).Should().BeLessThan(1e-12);
        Distance(Values(rest + b.mm(a).mul(2)), Values(original)).Should().BeLessThan(1e-14);
    }

    [Fact]
    public void Principal_factors_of_a_large_matrix_come_from_a_sketch_that_is_as_good()
    {
        using var scope = NewDisposeScope();
        using var model = new OpenNetwork(inputs: 12, hidden: 300);
        var decay = tensor(Enumerable.Range(0, 300).Select(index => (float)Math.Pow(0.9, index)).ToArray());
        using (no_grad())
            model.get_parameter("second.weight")!.copy_(
                linalg.qr(Normal(3, ScalarType.Float32, 300, 300)).Q.mul(decay).mm(linalg.qr(Normal(4, ScalarType.Float32, 300, 300)).Q));
        using var session = new LoRA { Rank = 4, Init = FactorInit.PiSSA }.Attach(model);

        linalg.norm(Parameter(model, "second.weight"), 2).ToDouble().Should()
            .BeApproximately(Math.Pow(0.9, 4), 1e-4, "the best approximation of rank 4 leaves the fifth singular value");
    }

    [Fact]
    public void Orthogonal_factors_are_the_first_of_the_QR_decomposition()
    {
        using var scope = NewDisposeScope();
        using var model = Seeded(new OpenNetwork(ScalarType.Float64));
        var original = model.get_parameter("first.weight")!.detach().clone();
        using var session = Strategy(FactorInit.OLoRA, Injection.Hook).Attach(model);
        var (a, b) = (Parameter(model, "first.lora_A"), Parameter(model, "first.lora_B"));

        Distance(Values(b.t().mm(b)), Values(eye(4, dtype: ScalarType.Float64))).Should().BeLessThan(1e-12);
        Distance(Values(a), Values(b.t().mm(original))).Should().BeLessThan(1e-12, "A = Qᵀ W");
    }

    [Fact]
    public void Gaussian_factor_has_the_deviation_of_one_over_r()
    {
        using var scope = NewDisposeScope();
        using var model = new OpenNetwork(hidden: 400);
        using var session = new LoRA { Rank = 100, Init = FactorInit.Gaussian }.Attach(model);

        Values(Parameter(model, "second.lora_A")).Select(value => value * value).Average().Should().BeApproximately(1e-4, 2e-6);
        Values(Parameter(model, "second.lora_B")).Should().OnlyContain(value => value == 0);
    }

    [Theory]
    [InlineData(int.MaxValue)]
    [InlineData(1)]
    public void Factors_from_a_gradient_have_its_singular_vectors(int layersAtOnce)
    {
        using var scope = NewDisposeScope();
        using var model = Seeded(new OpenNetwork(ScalarType.Float64));
        using var reference = Seeded(new OpenNetwork(ScalarType.Float64));
        Loss(reference).backward();
        var (left, _, right) = linalg.svd(reference.get_parameter("second.weight")!.grad!, fullMatrices: false);
        var before = Output(model);
        using var optimizer = Strategy(FactorInit.LoRAGA, Injection.Hook).Attach(model).CreateOptimizer(0.01);

        ((AdapterSession)optimizer.Session).Initialize(() => Loss(model).backward(), layersAtOnce);

        var size = Math.Pow(16, 0.25) / Math.Sqrt(16);
        Distance(AbsoluteValues(Parameter(model, "second.lora_B")), AbsoluteValues(left.narrow(1, 0, 4).mul(size))).Should().BeLessThan(1e-9);
        Distance(AbsoluteValues(Parameter(model, "second.lora_A")), AbsoluteValues(right.narrow(0, 4, 4).mul(size))).Should().BeLessThan(1e-9);
        Distance(Output(model), before).Should().BeLessThan(1e-12);
        model.get_parameter("second.weight")!.requires_grad.Should().BeFalse();
        model.parameters().Should().OnlyContain(parameter => object.Equals(parameter.grad, null));

        Run(model, optimizer, 3);
        var learnt = Output(model);
        optimizer.Session.Finish();
        Distance(Output(model), learnt).Should().BeLessThan(1e-12);
    }

    [Fact]
    public void Factors_that_await_a_gradient_train_only_with_one()
    {
        using var model = Seeded(new OpenNetwork());
        using var optimizer = Strategy(FactorInit.LoRAGA, Injection.Replace).Attach(model).CreateOptimizer();
        var session = (AdapterSession)optimizer.Session;
        var before = Weights(model);

        FluentActions.Invoking(() => Step(model, optimizer)).Should().Throw<InvalidOperationException>().WithMessage("*Initialize*before the first step*");
        session.Invoking(waiting => waiting.Initialize(() => { })).Should().Throw<InvalidOperationException>().WithMessage("*first.weight*no gradient*");
        Weights(model).Should().BeEquivalentTo(before);

        session.Initialize(Backward);
        session.Invoking(started => started.Initialize(Backward)).Should().Throw<InvalidOperationException>().WithMessage("*have their start already*");
        FluentActions.Invoking(() => Step(model, optimizer)).Should().NotThrow();

        void Backward()
        {
            using var scope = NewDisposeScope();
            Loss(model).backward();
        }
    }

    [Fact]
    public void Start_from_a_gradient_comes_back_with_a_checkpoint_from_before_the_first_step()
    {
        var folder = Directory.CreateTempSubdirectory("lowrank-").FullName;
        try
        {
            using var whole = Seeded(new OpenNetwork());
            using var optimizer = Strategy(FactorInit.LoRAGA, Injection.Replace).Attach(whole).CreateOptimizer(0.01);
            TrainingCheckpoint.Save(Path.Combine(folder, "waiting"), whole, optimizer);
            Initialize(whole, optimizer);
            TrainingCheckpoint.Save(Path.Combine(folder, "started"), whole, optimizer);
            Run(whole, optimizer, 3);

            using var resumed = Seeded(new OpenNetwork(), 99);
            using var resumedOptimizer = Strategy(FactorInit.LoRAGA, Injection.Replace).Attach(resumed).CreateOptimizer(0.01);
            TrainingCheckpoint.Load(Path.Combine(folder, "started"), resumed, resumedOptimizer);
            FluentActions.Invoking(() => Initialize(resumed, resumedOptimizer)).Should().Throw<InvalidOperationException>()
                .WithMessage("*have their start already*");
            Run(resumed, resumedOptimizer, 3);
            Weights(resumed).Should().BeEquivalentTo(Weights(whole));

            TrainingCheckpoint.Load(Path.Combine(folder, "waiting"), resumed, resumedOptimizer);
            FluentActions.Invoking(() => Step(resumed, resumedOptimizer)).Should().Throw<InvalidOperationException>()
                .WithMessage("*Initialize*before the first step*");
            Initialize(resumed, resumedOptimizer);
            Run(resumed, resumedOptimizer, 3);
            Weights(resumed).Should().BeEquivalentTo(Weights(whole));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        static void Initialize(OpenNetwork model, LowRankOptimizer optimizer)
        {
            using var scope = NewDisposeScope();
            ((AdapterSession)optimizer.Session).Initialize(() => Loss(model).backward());
        }
    }

    [Theory]
    [InlineData(FactorInit.PiSSA, Injection.Replace)]
    [InlineData(FactorInit.OLoRA, Injection.Hook)]
    public void Weight_that_cannot_be_decomposed_is_an_error_before_anything_is_changed(FactorInit init, Injection injection)
    {
        using var model = Seeded(new OpenNetwork());
        var names = model.named_parameters().Select(pair => pair.name).ToArray();
        using (no_grad())
            model.get_parameter("second.weight")!.fill_(double.NaN);

        model.Invoking(broken => Strategy(init, injection).Attach(broken)).Should().Throw<ArgumentException>()
            .WithMessage("*'second.weight' holds NaN*FactorInit.Kaiming*Nothing was changed*");

        model.named_parameters().Select(pair => pair.name).Should().Equal(names);
        model.parameters().Should().OnlyContain(parameter => parameter.requires_grad);
    }

    [Fact]
    public void Factors_that_await_a_gradient_are_not_shadowed()
    {
        using var model = new OpenNetwork();
        model.Invoking(open => Strategy(FactorInit.LoRAGA, Injection.Shadow).Attach(open)).Should().Throw<ArgumentException>()
            .WithMessage("*cannot enter a model this way*");
    }

    private static LoRA Strategy(FactorInit init, Injection injection) => new() { Rank = 4, Alpha = 8, Init = init, Injection = injection };

    private static Tensor Loss(OpenNetwork model) => (model.call(Inputs(model)) - Normal(5, ScalarType.Float64, 10, 6).to(Inputs(model).dtype)).square().mean();

    private static Tensor Parameter(OpenNetwork model, string name) => model.get_parameter(name)!.detach();

    private static double[] AbsoluteValues(Tensor tensor) => [.. Values(tensor).Select(Math.Abs)];
}
