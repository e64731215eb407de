namespace LowRankTraining.Checkpoints;

/// <summary>What a saved state belongs to: enough to refuse it before anything is changed.</summary>
internal sealed record GroupManifest(string Strategy, long Step, IReadOnlyList<ParameterManifest> Parameters)
{
    private const int Version = 1;

    public void Write(BinaryWriter writer)
    {
        writer.Write(Version);
        writer.Write(Strategy);
        writer.Write(Step);
        writer.Write(Parameters.Count);
        foreach (var parameter in Parameters)
            parameter.Write(writer);
    }

    public static GroupManifest Read(BinaryReader reader)
    {
        var version = reader.ReadInt32();
        if (version != Version)
            throw new InvalidDataException($"The state was written in format {version}, and this version of the library reads format {Version}.");

        return new(reader.ReadString(), reader.ReadInt64(), [.. Enumerable.Range(0, reader.ReadInt32()).Select(_ => ParameterManifest.Read(reader))]);
    }

    /// <summary>The first difference in one sentence, or null.</summary>
    public string? DifferenceFrom(GroupManifest saved)
    {
        if (saved.Strategy != Strategy)
            return $"The state was saved by strategy '{saved.Strategy}', and this optimizer runs '{Strategy}'.";
        if (saved.Parameters.Count != Parameters.Count)
            return $"The state is of {saved.Parameters.Count} parameters, and this optimizer has {Parameters.Count}.";

        return Parameters.Zip(saved.Parameters).Select(pair => pair.First.DifferenceFrom(pair.Second)).FirstOrDefault(difference => difference is not null);
    }
}

/// <summary>One parameter of a saved state.</summary>
internal sealed record ParameterManifest(string Name, long[] Shape, string Layout)
{
    public void Write(BinaryWriter writer)
    {
        writer.Write(Name);
        writer.Write(Shape.Length);
        foreach (var size in Shape)
            writer.Write(size);
        writer.Write(Layout);
    }

    public static ParameterManifest Read(BinaryReader reader)
    {
        var name = reader.ReadString();
        var shape = new long[reader.ReadInt32()];
        for (var axis = 0; axis < shape.Length; axis++)
            shape[axis] = reader.ReadInt64();
        return new(name, shape, reader.ReadString());
    }

    public string? DifferenceFrom(ParameterManifest saved)
    {
        if (saved.Name != Name)
            return $"The state has parameter '{saved.Name}' where this optimizer has '{Name}'.";
        if (!saved.Shape.SequenceEqual(Shape))
            return $"Parameter '{Name}' was saved with shape [{string.Join(", ", saved.Shape)}], and has shape [{string.Join(", ", Shape)}] here.";
        return saved.Layout == Layout ? null : $"Parameter '{Name}' was saved as '{saved.Layout}', and is '{Layout}' here.";
    }
}
