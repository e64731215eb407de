namespace LowRankTraining.Layers;

/// <summary>A layer that changes the output of a linear one by a forward hook. Its parts are registered with the linear layer, beside its own
/// parameters.</summary>
/// <remarks>A linear layer that is moved takes its weight and its bias along and nothing else, so the parts follow the weight as soon as they are asked
/// for.</remarks>
internal sealed class HookInjector(Linear plain) : LayerInjector
{
    private Action? _unhook;

    public override Injection Injection => Injection.Hook;

    public override void Install()
    {
        foreach (var (name, parameter) in Layer!.Parts.ToArray())
            plain.register_parameter(name, parameter);

        Func<nn.Module<Tensor, Tensor>, Tensor, Tensor, Tensor> hook = (_, input, output) => Change(input, output);
        _unhook = plain.register_forward_hook(hook).remove;
    }

    public override void Remove()
    {
        _unhook!();
        _unhook = null;
        foreach (var (name, _) in Layer!.Parts)
            ParameterRegistry.Remove(plain, name);
    }

    public override void Follow()
    {
        if (Layer is null || plain.weight.IsInvalid || ReferenceEquals(Layer.Shared, plain.weight))
            return;

        Layer.Share(plain);
        foreach (var (name, part) in Layer.Parts.Where(part => IsLeftBehind(part.Parameter)).ToArray())
        {
            var moved = Moved(part);
            ParameterRegistry.Replace(Layer, name, moved);
            if (_unhook is not null)
                ParameterRegistry.Replace(plain, name, moved);
            part.Dispose();
        }
    }

    private Tensor Change(Tensor input, Tensor output)
    {
        Follow();
        if (Layer!.training != plain.training)
            Layer.train(plain.training);
        return Layer.AfterPlain(input, output);
    }

    private bool IsLeftBehind(Parameter part) => !part.IsInvalid && (part.dtype != plain.weight.dtype || !part.IsBeside(plain.weight));

    private Parameter Moved(Parameter part)
    {
        using var guard = no_grad();
        var moved = new Parameter(part.to(plain.weight.dtype, plain.weight.device), part.requires_grad);
        moved.DetachFromDisposeScope();
        using var gradient = part.grad;
        if (gradient is null)
            return moved;

        using var movedGradient = gradient.to(plain.weight.dtype, plain.weight.device);
        moved.grad = movedGradient;
        return moved;
    }
}
