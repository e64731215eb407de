using FluentAssertions;
using LowRankTraining.Layers;
using LowRankTraining.Mixing;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Adapters;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Mixing;

/// <summary>What a source is rewarded with: how its gradient agrees with that of the next update.</summary>
public class RewardTests
{
    private static readonly GradientAlignmentOptions Products = new() { Normalize = false };

    [Fact]
    public void Source_of_an_update_is_rewarded_at_the_next()
    {
        using var rehearsal = new Rehearsal(2);

        rehearsal.Update("a", 3, 4);
        rehearsal.RewardOf("a").Should().BeNull();

        rehearsal.Update("b", 8, 6);
        rehearsal.RewardOf("a").Should().BeApproximately(48 / 50.0, 1e-6, "it is the cosine of (3, 4) and (8, 6)");
        rehearsal.RewardOf("b").Should().BeNull();
    }

    [Fact]
    public void Products_keep_the_size_of_the_gradients()
    {
        using var rehearsal = new Rehearsal(2, Products);

        rehearsal.Update("a", 3, 4);
        rehearsal.Update("b", 8, 6);

        rehearsal.RewardOf("a").Should().Be(48);
    }

    [Fact]
    public void Micro_batches_of_a_model_with_a_single_parameter_are_told_apart_where_backward_adds_in_place()
    {
        using var scope = NewDisposeScope();
        using var rehearsal = new Rehearsal(2, Products);
        void Backward(string source, params float[] gradient) => rehearsal.Mixer.Observe(source, () => rehearsal.Parameter.dot(tensor(gradient)).backward());

        Backward("a", 1, 2);
        Backward("b", 10, 20);
        rehearsal.Mixer.Update();
        rehearsal.Parameter.grad = null;
        Backward("a", 1, 1);
        rehearsal.Mixer.Update();

        rehearsal.RewardOf("a").Should().Be(3);
        rehearsal.RewardOf("b").Should().Be(30);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Micro_batches_of_an_update_are_told_apart(bool freed)
    {
        using var rehearsal = new Rehearsal(2, Products);

        rehearsal.Add("a", 1, 2);
        if (freed)
            rehearsal.Parameter.grad = null;
        rehearsal.Add("b", 10, 0);
        rehearsal.Mixer.Update();
        rehearsal.Parameter.grad = null;
        rehearsal.Add("a", 1, 0);
        rehearsal.Add("a", 0, 3);
        rehearsal.Mixer.Update();

        rehearsal.RewardOf("a").Should().Be(7, "(1, 2) is its own part, whatever b added to the gradient, and (1, 3) is the whole of the next update");
        rehearsal.RewardOf("b").Should().Be(10);
    }

    [Fact]
    public void Several_micro_batches_of_a_source_count_by_their_mean()
    {
        using var rehearsal = new Rehearsal(2, Products);

        rehearsal.Add("a", 1, 0);
        rehearsal.Add("a", 3, 0);
        rehearsal.Mixer.Update();
        rehearsal.Update("b", 5, 0);

        rehearsal.RewardOf("a").Should().Be(10);
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(0)]
    public void Gradient_that_says_nothing_is_skipped_and_counted(float value)
    {
        using var rehearsal = new Rehearsal(2);

        rehearsal.Update("a", 3, 4);
        rehearsal.Update("b", value, value);
        rehearsal.Mixer.SkippedUpdates.Should().Be(1);
        rehearsal.RewardOf("a").Should().BeNull();

        rehearsal.Update("a", 8, 6);
        rehearsal.RewardOf("a").Should().BeApproximately(0.96, 1e-6, "what was remembered waits for the next gradient that says something");
        rehearsal.RewardOf("b").Should().BeNull();
        rehearsal.Mixer.CompletedUpdates.Should().Be(3);
    }

    [Fact]
    public void Sketched_products_are_right_on_average_and_cosines_nearly()
    {
        const int size = 5000, dimensions = 251;
        var (first, second) = (Normal(1), Normal(2));
        for (var index = 0; index < size; index++)
            second[index] = 0.6f * first[index] + 0.8f * second[index];
        var exact = Reward(GradientView.Of);

        var sketched = Enumerable.Range(0, 40).Select(seed => Reward(parameters => GradientView.Sketch(parameters, dimensions, (ulong)seed))).ToArray();

        exact.Should().BeApproximately(0.6, 0.03);
        sketched.Average().Should().BeApproximately(exact, 0.03);
        sketched.Should().OnlyContain(cosine => Math.Abs(cosine - exact) < 4 / Math.Sqrt(dimensions));
        sketched.Distinct().Should().HaveCountGreaterThan(30, "signs depend on the seed");
        Reward(parameters => GradientView.Sketch(parameters, dimensions, 3)).Should().Be(sketched[3]);

        double Reward(Func<IEnumerable<TorchSharp.Modules.Parameter>, GradientView> view)
        {
            using var rehearsal = new Rehearsal(size, view: parameter => view([parameter]));
            rehearsal.Update("a", first);
            rehearsal.Update("b", second);
            return rehearsal.RewardOf("a")!.Value;
        }

        static float[] Normal(ulong seed)
        {
            using var numbers = Training.Normal(seed, ScalarType.Float32, size);
            return [.. numbers.data<float>()];
        }
    }

    [Theory]
    [InlineData(Injection.Replace, "lora_")]
    [InlineData(Injection.Shadow, "weight")]
    public void View_of_a_session_is_of_its_factors_where_they_have_gradients(Injection injection, string watched)
    {
        using var scope = NewDisposeScope();
        using var model = Training.Seeded(new OpenNetwork());
        using var optimizer = new LoRA { Rank = 4, Injection = injection, TrainOthers = true }.Attach(model, Targets.AllLinear().Except("lm_head"))
            .CreateOptimizer();
        using var mixer = new GradientAlignmentMixer(["a", "b"], GradientView.For(optimizer.Session));

        // Gradients agree where they should be seen, and oppose each other in the head.
        Update("a", 1, 1);
        Update("b", 1, -100);

        var cosine = mixer.Mixture[0].Reward!.Value;
        if (injection == Injection.Replace)
            cosine.Should().BeApproximately(1, 1e-5);
        else
            cosine.Should().BeNegative("without factors all gradients are seen, the head's among them");

        void Update(string source, float seen, float head)
        {
            mixer.Observe(source, () =>
            {
                foreach (var (name, parameter) in model.named_parameters().Where(pair => pair.parameter.requires_grad))
                    parameter.grad =
                        full_like(parameter,
                            name.Contains(watched, StringComparison.Ordinal) && !name.StartsWith("lm_head", StringComparison.Ordinal) ? seen : head).detach();
            });
            mixer.Update();
        }
    }

    [Fact]
    public void View_of_a_warm_start_is_the_sketch_until_the_factors_take_over()
    {
        using var scope = NewDisposeScope();
        using var model = Training.Seeded(new OpenNetwork());
        using var optimizer = new ReLoRA { Rank = 4, WarmStartSteps = 2, MergeEvery = 10 }.Attach(model).CreateOptimizer();
        using var mixer = new GradientAlignmentMixer(["a", "b"], GradientView.For(optimizer.Session));

        Update("a");
        Update("a");
        mixer.SkippedUpdates.Should().Be(0, "the weights have gradients while the factors wait");
        var reward = mixer.Mixture[0].Reward;
        reward.Should().NotBeNull();

        Update("a");
        mixer.Mixture[0].Reward.Should().Be(reward, "a sketch is not compared with gradients of factors");
        Update("a");
        mixer.Mixture[0].Reward.Should().NotBe(reward);
        mixer.SkippedUpdates.Should().Be(0);

        void Update(string source)
        {
            optimizer.zero_grad();
            mixer.Observe(source, () => model.call(Training.Inputs(model, optimizer.CompletedSteps)).square().mean().backward());
            mixer.Update();
            optimizer.step();
        }
    }

    [Fact]
    public void Targets_alone_reward()
    {
        using var rehearsal = new Rehearsal(2, Products with { Targets = ["b"] });

        rehearsal.Update("a", 1, 0);
        rehearsal.Update("a", 5, 7);
        rehearsal.RewardOf("a").Should().BeNull("no target has spoken");

        rehearsal.Add("a", 100, 100);
        rehearsal.Add("b", 2, 3);
        rehearsal.Mixer.Update();
        rehearsal.RewardOf("a").Should().Be(31, "(5, 7) is judged by b's part alone");
    }

    [Fact]
    public void Every_step_of_the_policy_can_be_logged()
    {
        var logger = new Lines();
        using var rehearsal = new Rehearsal(2, new() { UpdateEvery = 2, Logger = logger });

        rehearsal.Update("a", 3, 4);
        rehearsal.Update("b", 8, 6);
        rehearsal.Update("b", 8, 6);

        logger.Should().ContainSingle().Which.Should()
            .Be("Mixture after 2 updates: a 0.500 (reward 0.960, 0 drawn), b 0.500 (reward –, 0 drawn); entropy 0.693 nats");
    }
}
