using FluentAssertions;
using LowRankTraining.Layers;
using LowRankTraining.Parts;
using LowRankTraining.Strategies;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Battery;

/// <summary>A resumed run has the bits of the uninterrupted one with one thread and with two. Matrices are large enough for both threads to be given
/// work.</summary>
public class ThreadTests
{
    private const int Saved = 4, Steps = 7, Width = 384;

    private static readonly Dictionary<string, ILowRankStrategy> Methods = new()
    {
        ["galore"] = new GaLore { Rank = 32, RefreshEvery = 3 },
        ["fira, 8-bit states"] = new Fira { Rank = 32, RefreshEvery = 3, States = StateFormat.Blockwise8Bit },
        ["q-galore"] = new QGaLore { Rank = 32, RefreshEvery = 3 },
        ["apollo"] = new Apollo { Rank = 32, RefreshEvery = 3 },
        ["ldadam"] = new LDAdam { Rank = 32 },
        ["muon"] = new Muon(),
        ["sltrain"] = new SLTrain { Rank = 32 },
        ["relora"] = new ReLoRA { Rank = 32, MergeEvery = 3 },
        ["lora, shadow"] = new LoRA { Rank = 32, Injection = Injection.Shadow },
        ["dora"] = new DoRA { Rank = 32 },
    };

    public static TheoryData<string, int> Runs
    {
        get
        {
            var runs = new TheoryData<string, int>();
            foreach (var method in Methods.Keys)
                foreach (var threads in new[] { 1, 2 })
                    runs.Add(method, threads);
            return runs;
        }
    }

    [Theory, MemberData(nameof(Runs))]
    public void Resumed_run_has_the_bits_of_the_uninterrupted_one_with_as_many_threads(string method, int threads)
    {
        var before = get_num_threads();
        set_num_threads(threads);
        try
        {
            using var folder = new TemporaryFolder();
            byte[] expected;
            using (var model = Model(seed: 1))
            using (var optimizer = Methods[method].Attach(model).CreateOptimizer(lr: 1e-3, weight_decay: 0.1))
            {
                Train(model, optimizer, 1, Saved);
                Checkpoints.TrainingCheckpoint.Save(folder.Path, model, optimizer);
                Train(model, optimizer, Saved + 1, Steps);
                expected = Problems.Bits(model);
            }

            using var resumed = Model(seed: 2);
            using var again = Methods[method].Attach(resumed).CreateOptimizer();
            Checkpoints.TrainingCheckpoint.Load(folder.Path, resumed, again);
            Train(resumed, again, Saved + 1, Steps);

            Problems.Bits(resumed).AsSpan().SequenceEqual(expected).Should().BeTrue();
        }
        finally
        {
            set_num_threads(before);
        }
    }

    private static Problems.Mlp Model(long seed)
    {
        random.manual_seed(seed);
        return new(Width, Width, Width);
    }

    private static void Train(Problems.Mlp model, LowRankOptimizer optimizer, int first, int last) =>
        Problems.Train(model, optimizer, first, last, Width, Width);
}
