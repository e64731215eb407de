namespace TorchSharp.Modules;

/// <summary>What an optimizer remembers about one parameter.</summary>
public abstract class OptimizerState
{
    protected Parameter _parameter;

    protected OptimizerState(Parameter parameter) => _parameter = parameter;

    public abstract void Initialize(OptimizerOptions options);

    public abstract void SaveStateDict(BinaryWriter writer);

    public abstract void LoadStateDict(BinaryReader reader);

    public abstract void LoadStateDict(OptimizerState source);

    public virtual void to(torch.Device device)
    {
    }

    public virtual bool ApproximatelyEquals(OptimizerState other) => false;

    protected static void SaveConditionalStateTensor(BinaryWriter writer, torch.Tensor? tensor)
    {
        writer.Write(tensor is not null);
        tensor?.Save(writer);
    }

    protected static void LoadConditionalStateTensor(BinaryReader reader, ref torch.Tensor? result, torch.Device device)
    {
        if (!reader.ReadBoolean())
        {
            result?.Dispose();
            result = null;
            return;
        }

        if (result is not null)
        {
            result.Load(reader);
            return;
        }

        var loaded = TensorExtensionMethods.Load(reader);
        result = loaded.to(device, disposeAfter: true);
    }

    private protected torch.Tensor ZerosLikeParameter() => torch.zeros_like(_parameter).DetachFromDisposeScope();

    private protected static bool Close(torch.Tensor? left, torch.Tensor? right)
        => left is null || right is null ? left is null && right is null : left.allclose(right);

    private protected static void Move(ref torch.Tensor? tensor, torch.Device device)
    {
        if (tensor is not null)
        {
            tensor = tensor.to(device, disposeAfter: true).DetachFromDisposeScope();
        }
    }

    // The tensor of the source becomes this state's own: on one device both share it afterwards.
    private protected void Adopt(ref torch.Tensor? tensor, torch.Tensor? source)
    {
        tensor?.Dispose();
        tensor = source is null || source.device_type == _parameter.device_type ? source : source.to(_parameter.device);
    }
}
