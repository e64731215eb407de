using System.Runtime.InteropServices;
using LowRankTraining.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining;

/// <content>What processes tell each other, so that all do the same.</content>
public sealed partial class LowRankOptimizer
{
    private bool _comparesNext;
    private int _agreedEntries;

    /// <value>After how many steps the processes compare their weights by a hash of 64 bits; 0 for never. They do so also when the optimizer is made and after
    /// a state was loaded. A difference ends the run on all of them, with the parameter's name. Default 100: the hash takes one pass over the weights.</value>
    public int CompareEvery { get; set; } = 100;

    /// <summary>Tells the others what this process has, and learns what all of them have.</summary>
    private (double Share, Held[] Held) Agree()
    {
        if (_agreedEntries != _entries.Count)
            RequireEqualSetUp();

        var mine = new Message(LocalTokens, CompletedSteps, _lane, _earlyKinds.Sum(kind => kind.Length), _comparesNext, [.. _entries.Select(HeldOrLate)]);
        var messages = Gathered(mine.ToBytes()).Select(Message.Of).ToArray();
        RequireSame(messages, message => message.Completed, (rank, there, here) =>
            $"Process {rank} is before step {there + 1} and process 0 before step {here + 1}: every process must take every step.");
        RequireSame(messages, message => message.Lane, (rank, there, here) =>
            $"Process {rank} has accumulated {there} micro-batches and process 0 {here}: divide the batch of a step into as many on each.");
        RequireSame(messages, message => message.Early, (rank, there, here) =>
            $"Process {rank} sends {there} numbers in the backward pass and process 0 {here}: change {nameof(SendsInBackward)} on all of them after the same "
            + "step, and load the same checkpoint everywhere.");
        if (LanesHere > 1 && _lane != LanesHere)
            throw new InvalidOperationException($"{_lane} micro-batches were accumulated for this step, and {_world!.Lanes} lanes of {_world.Size} processes "
                + $"take {LanesHere}: call accumulate() after every backward pass (for the last one step() alone does). Nothing was changed.");

        var tokens = messages.Sum(message => message.Tokens);
        if (!(tokens > 0))
            throw new InvalidOperationException($"{nameof(LocalTokens)} is 0 on every process, so that no gradient counts. Nothing was changed.");
        if (Array.Exists(messages, message => message.Compares))
            RequireEqualReplicas("after a state was loaded", ReplicatedTensors());

        _comparesNext = false;
        return (LocalTokens / tokens, [.. _entries.Select((_, place) => messages.Aggregate(Held.Nothing, (held, message) => held | message.Held[place]))]);
    }

    private Held HeldOrLate(ParameterState entry) => HeldOf(entry) | (entry.Early.IsLate ? Held.Late : Held.Nothing);

    private Held HeldOf(ParameterState entry)
    {
        if (!entry.Parameter.requires_grad)
            return Held.Nothing;
        if (LanesHere > 1)
            return LocalTokens == 0 ? entry.InLanes & (Held.Whole | Held.Projected) : entry.InLanes;
        return (AccumulatedIn(entry) is null ? Held.Nothing : Held.Projected) | HeldWhole(entry);
    }

    private Held HeldWhole(ParameterState entry)
    {
        if (!HasGradient(entry))
            return Held.Nothing;
        if (LocalTokens == 0 || !NeedsOnlyProducts(entry))
            return Held.Whole;

        using var scope = NewDisposeScope();
        return Held.Whole | FitnessOf(Ready(DenseGradient(entry)!));
    }

    private static void RequireSame(Message[] messages, Func<Message, long> number, Func<int, long, long, string> difference)
    {
        var expected = number(messages[0]);
        var rank = Array.FindIndex(messages, message => number(message) != expected);
        if (rank > 0)
            throw new InvalidOperationException($"{difference(rank, number(messages[rank]), expected)} Nothing was changed.");
    }

    /// <summary>What a process says before gradients are added up.</summary>
    /// <param name="Tokens">How much its gradient counts.</param>
    /// <param name="Completed">Steps that it has taken.</param>
    /// <param name="Lane">Micro-batches that it has accumulated lane by lane.</param>
    /// <param name="Early">Numbers that it sends in the backward pass.</param>
    /// <param name="Compares">Whether weights are to be compared first.</param>
    /// <param name="Held">What it has of each gradient.</param>
    private sealed record Message(double Tokens, long Completed, long Lane, long Early, bool Compares, Held[] Held)
    {
        public byte[] ToBytes()
        {
            var stream = new MemoryStream();
            using var writer = new BinaryWriter(stream);
            writer.Write(Tokens);
            writer.Write(Completed);
            writer.Write(Lane);
            writer.Write(Early);
            writer.Write(Compares);
            writer.Write(MemoryMarshal.AsBytes<Held>(Held));
            return stream.ToArray();
        }

        public static Message Of(byte[] bytes)
        {
            using var reader = new BinaryReader(new MemoryStream(bytes));
            return new(reader.ReadDouble(), reader.ReadInt64(), reader.ReadInt64(), reader.ReadInt64(), reader.ReadBoolean(),
                MemoryMarshal.Cast<byte, Held>(bytes.AsSpan((int)reader.BaseStream.Position)).ToArray());
        }
    }

    /// <summary>Refuses processes that are not set up alike.</summary>
    private void RequireEqualSetUp()
    {
        var lines = SetUp().ToArray();
        if (DifferentRank(System.Text.Encoding.UTF8.GetBytes(string.Join('\n', lines)), out var first, out var other) is { } rank)
        {
            var (here, there) = (Lines(first), Lines(other));
            var place = Enumerable.Range(0, Math.Max(here.Length, there.Length)).First(line => here.ElementAtOrDefault(line) != there.ElementAtOrDefault(line));
            throw new InvalidOperationException(
                $"Process {rank} is not set up like process 0: it has '{there.ElementAtOrDefault(place) ?? "nothing"}' where process 0 has "
                + $"'{here.ElementAtOrDefault(place) ?? "nothing"}'. Give every process the same model, method, options and versions.");
        }

        _agreedEntries = _entries.Count;

        static string[] Lines(byte[] text) => System.Text.Encoding.UTF8.GetString(text).Split('\n');
    }

    private IEnumerable<string> SetUp()
    {
        yield return $"LowRankTraining {typeof(LowRankOptimizer).Assembly.GetName().Version}";
        yield return $"TorchSharp {typeof(Tensor).Assembly.GetName().Version}";
        yield return $"{_world!.Lanes} lanes";
        yield return $"method {Session.Strategy}";
        foreach (var option in MethodDescription.Of(Session.Method) ?? [])
            yield return $"{option.Key} {option.Value?.ToJsonString() ?? "null"}";
        yield return $"seed {Session.Seed}";
        foreach (ParamGroup group in _parameter_groups)
            yield return FormattableString.Invariant(
                $"{group.Parameters.Count()} parameters, lr {group.InitialLearningRate}, weight decay {group.Options.weight_decay}");
        foreach (var entry in _entries)
            yield return $"{entry.Plan.Name}: {entry.Parameter.dtype} [{string.Join(", ", entry.Plan.Shape)}], {entry.Plan.Rule.LayoutFor(entry.Plan.Shape)}";
    }

    /// <summary>What every process has to have alike: all of the model where it is known, else what is trained.</summary>
    private IEnumerable<(string Name, Tensor Tensor)> ReplicatedTensors() =>
        Session.Model is { } model ? model.state_dict().Select(pair => (pair.Key, pair.Value)) : TrainedTensors();

    private IEnumerable<(string Name, Tensor Tensor)> TrainedTensors() =>
        _entries.Where(entry => !entry.Plan.IsFrozen).Select(entry => (entry.Plan.Name, entry.Plan.Store?.Open() ?? entry.Parameter));

    private void CompareReplicas()
    {
        if (_world is { Size: > 1 } && CompareEvery > 0 && CompletedSteps % CompareEvery == 0)
            RequireEqualReplicas($"after step {CompletedSteps}", TrainedTensors());
    }

    /// <exception cref="InvalidOperationException">They differ: on all processes.</exception>
    private void RequireEqualReplicas(string when, IEnumerable<(string Name, Tensor Tensor)> tensors)
    {
        using var scope = NewDisposeScope();
        var hashes = tensors.Select(pair => (pair.Name, Hash: HashingStream.Of(pair.Tensor))).ToArray();
        if (DifferentRank(MemoryMarshal.AsBytes<ulong>(hashes.Select(pair => pair.Hash).ToArray()).ToArray(), out var first, out var other) is not { } rank)
            return;

        var place = MemoryMarshal.Cast<byte, ulong>(first).CommonPrefixLength(MemoryMarshal.Cast<byte, ulong>(other));
        throw new InvalidOperationException(
            $"'{hashes[place].Name}' is not the same on process {rank} as on process 0 {when}, and it is the first of the tensors that differ. "
            + "Every process must begin with equal weights (call torch.manual_seed alike before the model is made, or load one file), "
            + "run on equal hardware with as many threads, and change weights in no other way than by this optimizer. Go on from the last checkpoint.");
    }

    /// <summary>The first process that has other bytes than process 0, and what both have; null where all have the same. Only a hash travels then.</summary>
    private int? DifferentRank(byte[] mine, out byte[] first, out byte[] other)
    {
        byte[] summary = [.. BitConverter.GetBytes(System.IO.Hashing.XxHash3.HashToUInt64(mine)), .. BitConverter.GetBytes((ulong)mine.Length)];
        var summaries = Gathered(summary);
        first = other = mine;
        var rank = Array.FindIndex(summaries, one => !one.AsSpan().SequenceEqual(summaries[0]));
        if (rank < 0)
            return null;

        var lengths = summaries.Select(one => (int)MemoryMarshal.Cast<byte, ulong>(one)[1]).ToArray();
        Array.Resize(ref mine, lengths.Max());
        var all = Gathered(mine);
        (first, other) = (all[0][..lengths[0]], all[rank][..lengths[rank]]);
        return rank;
    }

    /// <summary>The messages of all processes, all of one length.</summary>
    private byte[][] Gathered(byte[] mine)
    {
        using var scope = NewDisposeScope();
        var device = _entries.Count > 0 ? _entries[0].Parameter.device : CPU;
        var all = empty(mine.Length * _world!.Size, ScalarType.Byte, device);
        _world.AllGather(tensor(mine, ScalarType.Byte, device), all);
        var bytes = all.cpu().data<byte>().ToArray();
        return [.. bytes.Chunk(mine.Length)];
    }
}
