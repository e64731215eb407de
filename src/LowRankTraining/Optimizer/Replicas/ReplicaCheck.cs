using System.Runtime.InteropServices;
using System.Text;
using LowRankTraining.Checkpoints;

namespace LowRankTraining;

/// <summary>Refuses processes that are not alike: in model, method, options, versions, and bit for bit in their weights.</summary>
internal sealed class ReplicaCheck(LowRankOptimizer optimizer, ICollective world, ByteExchange exchange)
{
    private int _agreedEntries;

    /// <summary>Compares how the processes are set up, unless they have agreed on as many parameters already.</summary>
    /// <exception cref="InvalidOperationException">They differ: on all processes.</exception>
    public void RequireEqualSetUp()
    {
        if (_agreedEntries == optimizer.Entries.Count)
            return;

        if (exchange.DifferentRank(Encoding.UTF8.GetBytes(string.Join('\n', SetUp())), out var first, out var other) is { } rank)
        {
            var (here, there) = (Lines(first), Lines(other));
            var place = Enumerable.Range(0, Math.Max(here.Length, there.Length)).First(line => here.ElementAtOrDefault(line) != there.ElementAtOrDefault(line));
            throw new InvalidOperationException(
                $"Process {rank} is not set up like process 0: it has '{there.ElementAtOrDefault(place) ?? "nothing"}' where process 0 has "
                + $"'{here.ElementAtOrDefault(place) ?? "nothing"}'. Give every process the same model, method, options and versions.");
        }

        _agreedEntries = optimizer.Entries.Count;

        static string[] Lines(byte[] text) => Encoding.UTF8.GetString(text).Split('\n');
    }

    /// <summary>Compares all of the model where it is known, else what is trained.</summary>
    /// <inheritdoc cref="RequireEqualSetUp"/>
    public void RequireEqualModels(string when) =>
        RequireEqual(when, optimizer.Session.Model is { } model ? model.state_dict().Select(pair => (pair.Key, pair.Value)) : TrainedTensors());

    /// <summary>Compares what is trained.</summary>
    /// <inheritdoc cref="RequireEqualSetUp"/>
    public void RequireEqualWeights(string when) => RequireEqual(when, TrainedTensors());

    private IEnumerable<string> SetUp()
    {
        var session = optimizer.Session;
        yield return $"LowRankTraining {typeof(LowRankOptimizer).Assembly.GetName().Version}";
        yield return $"TorchSharp {typeof(Tensor).Assembly.GetName().Version}";
        yield return $"{world.Lanes} lanes";
        yield return $"method {session.Strategy}";
        foreach (var option in MethodDescription.Of(session.Method) ?? [])
            yield return $"{option.Key} {option.Value?.ToJsonString() ?? "null"}";
        yield return $"seed {session.Seed}";
        foreach (LowRankOptimizer.ParamGroup group in optimizer.ParamGroups)
            yield return FormattableString.Invariant(
                $"{group.Parameters.Count()} parameters, lr {group.InitialLearningRate}, weight decay {group.Options.weight_decay}");
        foreach (var entry in optimizer.Entries)
            yield return $"{entry.Plan.Name}: {entry.Parameter.dtype} [{string.Join(", ", entry.Plan.Shape)}], {entry.Plan.Rule.LayoutFor(entry.Plan.Shape)}";
    }

    private IEnumerable<(string Name, Tensor Tensor)> TrainedTensors() =>
        optimizer.Entries.Where(entry => !entry.Plan.IsFrozen).Select(entry => (entry.Plan.Name, entry.Plan.Store?.Open() ?? entry.Parameter));

    private void RequireEqual(string when, IEnumerable<(string Name, Tensor Tensor)> tensors)
    {
        using var scope = NewDisposeScope();
        var hashes = tensors.Select(pair => (pair.Name, Hash: HashingStream.Of(pair.Tensor))).ToArray();
        var bytes = MemoryMarshal.AsBytes<ulong>(hashes.Select(pair => pair.Hash).ToArray()).ToArray();
        if (exchange.DifferentRank(bytes, out var first, out var other) is not { } rank)
            return;

        var place = MemoryMarshal.Cast<byte, ulong>(first).CommonPrefixLength(MemoryMarshal.Cast<byte, ulong>(other));
        throw new InvalidOperationException(
            $"'{hashes[place].Name}' is not the same on process {rank} as on process 0 {when}, and it is the first of the tensors that differ. "
            + "Every process must begin with equal weights (call torch.manual_seed alike before the model is made, or load one file), "
            + "run on equal hardware with as many threads, and change weights in no other way than by this optimizer. Go on from the last checkpoint.");
    }
}
