using FluentAssertions;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Battery;

/// <summary>A run that is saved and loaded goes on as if it had not been interrupted, bit for bit.</summary>
public class ResumeTests
{
    private const int Steps = 3 * Methods.Period + 2;

    public static TheoryData<string, int, bool> EveryPhase
    {
        get
        {
            var data = new TheoryData<string, int, bool>();
            foreach (var method in Methods.ByName.Keys)
                foreach (var savedAfter in new[] { 0, 1, Methods.Period - 1, Methods.Period, Methods.Period + 1, 2 * Methods.Period + 2 })
                    foreach (var half in new[] { false, true })
                        data.Add(method, savedAfter, half);
            return data;
        }
    }

    [Theory, MemberData(nameof(EveryPhase))]
    public void Resumed_run_equals_the_uninterrupted_one(string method, int savedAfter, bool half)
    {
        var dtype = half ? ScalarType.BFloat16 : ScalarType.Float32;
        var (expected, saved) = Run(method, dtype, savedAfter);

        using var model = Model(dtype, seed: 999);
        using var optimizer = Methods.Make(method).Attach(model).CreateOptimizer(lr: 0.5, weight_decay: 0.3);
        using (var reader = new BinaryReader(new MemoryStream(saved.Optimizer)))
            optimizer.load_state_dict(reader);
        using (var stream = new MemoryStream(saved.Model))
            model.load(stream);
        Problems.Train(model, optimizer, savedAfter + 1, Steps, dtype: dtype);

        optimizer.CompletedSteps.Should().Be(Steps);
        Problems.Bits(model).Should().Equal(expected);
    }

    [Theory, MemberData(nameof(Methods.All), MemberType = typeof(Methods))]
    public void Same_seed_gives_the_same_bits(string method)
    {
        var (first, _) = Run(method, ScalarType.BFloat16, Steps);
        var (second, _) = Run(method, ScalarType.BFloat16, Steps);

        second.Should().Equal(first);
    }

    [Theory, MemberData(nameof(Methods.All), MemberType = typeof(Methods))]
    public void State_can_be_copied_between_optimizers(string method)
    {
        using var model = Model(ScalarType.Float32, seed: 1);
        using var optimizer = Methods.Make(method).Attach(model).CreateOptimizer(lr: 0.01);
        Problems.Train(model, optimizer, 1, Methods.Period + 2);
        using var other = Model(ScalarType.Float32, seed: 2);
        using var copy = Methods.Make(method).Attach(other).CreateOptimizer();

        copy.load_state_dict(optimizer.state_dict());
        using (var stream = new MemoryStream(Saved(model)))
            other.load(stream);

        Problems.Train(model, optimizer, Methods.Period + 3, Steps);
        Problems.Train(other, copy, Methods.Period + 3, Steps);
        Problems.Bits(other).Should().Equal(Problems.Bits(model));
    }

    /// <summary>What is made in the mode could not be changed outside of it, and a gradient comes from outside.</summary>
    [Theory, MemberData(nameof(Methods.All), MemberType = typeof(Methods))]
    public void Steps_and_loads_within_inference_mode_are_those_without(string method)
    {
        Bits(inferring: true).Should().Equal(Bits(inferring: false));

        byte[] Bits(bool inferring)
        {
            using Problems.Mlp first = Model(ScalarType.Float32, seed: 1), second = Model(ScalarType.Float32, seed: 2);
            using var optimizer = Methods.Make(method).Attach(first).CreateOptimizer(lr: 0.01);
            using var resumed = Methods.Make(method).Attach(second).CreateOptimizer(lr: 0.01);
            Train(first, optimizer, 1, Methods.Period + 2);
            using (inferring ? inference_mode() : null)
            {
                resumed.load_state_dict(optimizer.state_dict());
                using var stream = new MemoryStream(Saved(first));
                second.load(stream);
            }

            Train(second, resumed, Methods.Period + 3, Steps);
            return Problems.Bits(second);

            void Train(Problems.Mlp model, LowRankOptimizer own, int from, int to)
            {
                for (var step = from; step <= to; step++)
                {
                    using var scope = NewDisposeScope();
                    own.zero_grad();
                    model.call(Problems.Data(32, 12, Problems.StepKey(step))).square().mean().backward();
                    using (inferring ? inference_mode() : null)
                        own.step();
                }
            }
        }
    }

    private static (byte[] Bits, (byte[] Model, byte[] Optimizer) Saved) Run(string method, ScalarType dtype, int saveAfter)
    {
        using var model = Model(dtype, seed: 1);
        using var optimizer = Methods.Make(method).Attach(model).CreateOptimizer(lr: 0.01, weight_decay: 0.1);

        Problems.Train(model, optimizer, 1, saveAfter, dtype: dtype);
        var savedModel = Saved(model);
        using var stateStream = new MemoryStream();
        using (var writer = new BinaryWriter(stateStream))
            optimizer.save_state_dict(writer);

        Problems.Train(model, optimizer, saveAfter + 1, Steps, dtype: dtype);
        return (Problems.Bits(model), (savedModel, stateStream.ToArray()));
    }

    private static byte[] Saved(Problems.Mlp model)
    {
        using var stream = new MemoryStream();
        model.save(stream);
        return stream.ToArray();
    }

    private static Problems.Mlp Model(ScalarType dtype, long seed)
    {
        manual_seed(seed);
        return new Problems.Mlp(dtype: dtype);
    }
}
