namespace LowRankTraining.Checkpoints;

/// <summary>An optimizer of TorchSharp, whose state is the stream that it writes: bytes under the name "optimizer".</summary>
internal sealed class PlainOptimizer(OptimizerHelper optimizer, nn.Module model) : ISavedOptimizer
{
    private const string Stream = "optimizer";

    public long? CompletedSteps => null;

    private string Kind => optimizer.GetType().Name;

    public void RequireReady(string consequence, string done) { }

    public void Show(Action<CheckpointManifest, IReadOnlyList<TensorSource>> use) => use(Manifest(), [TensorSource.OfBytes(Stream, Write)]);

    public long[] ExpectedShape(Tensor tensor, long step, long[] saved) => tensor.shape;

    public IReadOnlyList<OptionChange> ChangesSince(SavedManifest saved) => [];

    public string? DifferenceFrom(SavedManifest saved) =>
        Manifest().DifferenceFrom(saved) is { } difference ? $"{difference} Make the optimizer as in the run that was saved." : null;

    public int TensorsBy(SavedManifest saved) => 1;

    public PendingLoad Read(SafeTensorsFile file)
    {
        var bytes = file.Bytes(Stream);
        return new(() => optimizer.load_state_dict(new BinaryReader(bytes)));
    }

    private void Write(Stream stream)
    {
        using var writer = new BinaryWriter(stream, System.Text.Encoding.UTF8, leaveOpen: true);
        optimizer.save_state_dict(writer);
    }

    private CheckpointManifest Manifest()
    {
        var names = model.named_parameters().DistinctBy(pair => ParameterIdentity.Of(pair.parameter))
            .ToDictionary(pair => ParameterIdentity.Of(pair.parameter), pair => pair.name);
        return new()
        {
            Kind = CheckpointManifest.Training,
            Optimizer = Kind,
            Method = Kind,
            Groups = [.. optimizer.ParamGroups.OfType<ParamGroup>().Select(group => new GroupManifest(group.Parameters.Count()))],
            Parameters =
            [
                .. optimizer.parameters().Select((parameter, index) => new ParameterManifest(
                    names.GetValueOrDefault(ParameterIdentity.Of(parameter)) ?? $"parameter[{index}]", parameter.shape,
                    SafeTensorsTypes.NameOf(parameter.dtype), $"state of {Kind}, {parameter.dtype}", [], new Dictionary<string, long>())),
            ],
        };
    }
}
