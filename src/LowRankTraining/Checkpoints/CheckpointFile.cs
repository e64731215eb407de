using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Checkpoints;

/// <summary>The format of a training checkpoint: a header, the model's tensors, the optimizer's own stream.</summary>
/// <remarks>Everything that can be refused stands in the header, and the header knows the file's length, so that nothing is changed before all of it is known to fit.</remarks>
internal static class CheckpointFile
{
    private const string NotACheckpoint = "The file is not a checkpoint of LowRankTraining, or it is damaged. Go back to an older one, or start without resuming. Nothing was changed.";
    private const string Magic = "LowRankTraining checkpoint";
    private const int Version = 1;

    public static void Write(BinaryWriter writer, long completedSteps, nn.Module model, OptimizerHelper optimizer)
    {
        var tensors = model.state_dict();

        writer.Write(Magic);
        writer.Write(Version);
        var lengthAt = writer.BaseStream.Position;
        writer.Write(0L);
        writer.Write(completedSteps);
        writer.Write(optimizer.GetType().Name);
        writer.Write(tensors.Count);
        foreach (var (name, tensor) in tensors)
            TensorHeader.Of(name, tensor).Write(writer);

        foreach (var tensor in tensors.Values)
            TensorBytes.Write(tensor, writer);
        optimizer.save_state_dict(writer);

        writer.Flush();
        var length = writer.BaseStream.Position;
        writer.BaseStream.Position = lengthAt;
        writer.Write(length);
        writer.Flush();
        writer.BaseStream.Position = length;
    }

    public static long Read(BinaryReader reader, nn.Module model, OptimizerHelper optimizer)
    {
        var (steps, headers) = ReadHeader(reader, optimizer);
        RequireSame(headers, model.state_dict(), PlansOf(optimizer), steps);

        // The optimizer comes first: it refuses what does not fit, and its session gives factors the shapes that the file has.
        var values = reader.BaseStream.Position;
        reader.BaseStream.Position = values + headers.Sum(header => header.ByteCount);
        LoadState(optimizer, reader);

        reader.BaseStream.Position = values;
        var targets = model.state_dict();
        foreach (var header in headers)
            TensorBytes.ReadInto(targets[header.Name], reader);
        return steps;
    }

    private static void LoadState(OptimizerHelper optimizer, BinaryReader reader)
    {
        try
        {
            optimizer.load_state_dict(reader);
        }
        catch (ArgumentException other) when (optimizer is LowRankOptimizer)
        {
            // TorchSharp counts groups and states before it asks the optimizer to load one.
            throw new InvalidDataException(
                "The checkpoint holds the optimizer's state for other parameters than it has here: the strategy goes another way into the model (another Injection, or fields of another type), or there are other groups. "
                + "Make the model and the optimizer, and attach the strategy, as in the run that was saved. Nothing was changed.", other);
        }
    }

    private static (long Steps, TensorHeader[] Headers) ReadHeader(BinaryReader reader, OptimizerHelper optimizer)
    {
        try
        {
            if (reader.ReadString() != Magic)
                throw new InvalidDataException(NotACheckpoint);
            if (reader.ReadInt32() is not Version and var version)
                throw new InvalidDataException($"The checkpoint was written in format {version}, and this version of the library reads format {Version}.");
            if (reader.ReadInt64() != reader.BaseStream.Length)
                throw new InvalidDataException("The checkpoint is not complete. Go back to an older one. Nothing was changed.");

            var steps = reader.ReadInt64();
            var saved = reader.ReadString();
            if (saved != optimizer.GetType().Name)
                throw new InvalidDataException($"The checkpoint holds the state of a {saved}, and the optimizer is a {optimizer.GetType().Name}. Make the optimizer as in the run that was saved. Nothing was changed.");

            return (steps, [.. Enumerable.Range(0, reader.ReadInt32()).Select(_ => TensorHeader.Read(reader))]);
        }
        catch (Exception broken) when (broken is EndOfStreamException or FormatException)
        {
            throw new InvalidDataException(NotACheckpoint, broken);
        }
    }

    private static Dictionary<ParameterIdentity, ParameterPlan> PlansOf(OptimizerHelper optimizer) =>
        optimizer is LowRankOptimizer { Session.Parameters: var plans } ? plans.ToDictionary(plan => ParameterIdentity.Of(plan.Parameter)) : [];

    private static void RequireSame(TensorHeader[] saved, Dictionary<string, Tensor> model, Dictionary<ParameterIdentity, ParameterPlan> plans, long step)
    {
        var names = saved.Select(header => header.Name).ToHashSet();
        var missing = model.Keys.FirstOrDefault(name => !names.Contains(name));
        if (missing is not null)
            throw Refusal($"it has no '{missing}'");

        foreach (var header in saved)
        {
            if (!model.TryGetValue(header.Name, out var tensor))
                throw Refusal($"it has '{header.Name}', which the model does not have");

            var plan = plans.GetValueOrDefault(ParameterIdentity.Of(tensor));
            var expected = TensorHeader.Of(header.Name, tensor) with { Shape = plan?.ExpectedEntry(step, header.Shape) ?? tensor.shape };
            if (!expected.Fits(header))
                throw Refusal($"'{header.Name}' is {header} there and {expected} here");
        }
    }

    private static InvalidDataException Refusal(string difference) =>
        new($"The checkpoint is of another model: {difference}. Make the model, and attach the strategy, as in the run that was saved. Nothing was changed.");
}
