using FluentAssertions;
using LowRankTraining.Checkpoints;
using LowRankTraining.Numerics;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Battery;

/// <summary>A program may set the default dtype and device, as those do that make a model in bfloat16 or on a GPU: training does not depend on them.</summary>
public sealed class DefaultsTests
{
    private const int Steps = 2 * Methods.Period + 2;

    [Theory, MemberData(nameof(Methods.All), MemberType = typeof(Methods))]
    public void Default_dtype_changes_no_bit(string method)
    {
        var expected = Train(method, () => { });

        Train(method, () => set_default_dtype(ScalarType.Float64)).Should().Equal(expected);
        Train(method, () => set_default_dtype(ScalarType.BFloat16)).Should().Equal(expected);
    }

    /// <summary>Of a tensor that is made on the default device, without saying where, nothing can be read here.</summary>
    [Theory, MemberData(nameof(Methods.All), MemberType = typeof(Methods))]
    public void Default_device_changes_no_bit(string method)
    {
        var expected = Train(method, () => { });

        Train(method, () => set_default_device(META)).Should().Equal(expected);
    }

    [Theory, MemberData(nameof(Methods.All), MemberType = typeof(Methods))]
    public void Default_device_changes_no_bit_of_the_operations_of_a_gpu(string method)
    {
        var before = HostMemory.IsUsed;
        HostMemory.IsUsed = false;
        try
        {
            var expected = Train(method, () => { });

            Train(method, () => set_default_device(META)).Should().Equal(expected);
        }
        finally
        {
            HostMemory.IsUsed = before;
        }
    }

    private static byte[] Train(string method, Action setDefault)
    {
        var (dtype, device) = (get_default_dtype(), get_default_device());
        using var scope = NewDisposeScope();
        manual_seed(1);
        using var model = new Problems.Mlp();
        Tensor[] batches = [.. Enumerable.Range(0, Steps).Select(step => Problems.Data(32, 12, Problems.StepKey(step)))];
        var targets = Problems.Data(12, 8, 7);
        try
        {
            setDefault();
            using var folder = new TemporaryFolder();
            using var session = Methods.Make(method).Attach(model);
            using var optimizer = session.CreateOptimizer(lr: 0.01, weight_decay: 0.1);
            foreach (var batch in batches)
            {
                optimizer.zero_grad();
                (model.call(batch) - batch.mm(targets).tanh()).square().mean().backward();
                optimizer.clip_grad_norm_(0.5);
                optimizer.step();
            }

            TrainingCheckpoint.Save(folder.Path, model, optimizer);
            TrainingCheckpoint.Load(folder.Path, model, optimizer);
            session.Finish();
        }
        finally
        {
            set_default_dtype(dtype);
            set_default_device(device);
        }

        return Problems.Bits(model);
    }
}
