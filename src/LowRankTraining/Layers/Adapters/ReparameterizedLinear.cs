using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Layers;

/// <summary>A linear layer of this library: its weight is kept in another form than one trainable matrix.</summary>
/// <remarks>
/// <para>Its tensors are registered by name and kept nowhere else, so what <c>to(...)</c>, <c>save</c> and <c>load</c> do to them the layer follows, whatever
/// holds it: a field, a <c>Sequential</c>, a list.</para>
/// <para><c>to(dtype)</c> converts the parameters. Codes, their scales and the positions of sparse values stay what they are, since another dtype would
/// change the numbers that they stand for. <c>to(device)</c> moves everything. As in every module of TorchSharp the parameters are new objects afterwards, so
/// the optimizer is made after that.</para>
/// </remarks>
public abstract class ReparameterizedLinear : nn.Module<Tensor, Tensor>
{
    internal const string WeightName = "weight", BiasName = "bias";

    private WeakReference<Linear>? _source;

    private protected ReparameterizedLinear(string name) : base(name) { }

    /// <value>b, one entry for each output, or null.</value>
    public Parameter? bias => PartOrNull(BiasName);

    /// <value>Whether a plain linear layer can do what this one does.</value>
    internal virtual bool HasPlainForm => true;

    /// <value>Whether the layer has been run.</value>
    internal bool Reached { get; set; }

    /// <summary>Shares parameters with a plain layer from now on, also when they are moved.</summary>
    internal void ShareWith(Linear source) => _source = new(source);

    private protected Parameter Part(string name) => _internal_params[name];

    private protected Parameter? PartOrNull(string name) => _internal_params.TryGetValue(name, out var part) ? part : null;

    private protected Tensor Buffer(string name) => _internal_buffers[name].Item1;

    private protected Tensor? BufferOrNull(string name) => _internal_buffers.TryGetValue(name, out var buffer) ? buffer.Item1 : null;

    /// <summary>Registers a parameter, if there is one, and outlives the dispose scope with it.</summary>
    private protected void Own(string name, Parameter? parameter)
    {
        if (parameter is null)
            return;

        parameter.DetachFromDisposeScope();
        register_parameter(name, parameter);

        // A module counts as one on the CPU until it is told otherwise, and does not move to where it believes to be.
        (_deviceType, _deviceIndex) = (parameter.device_type, parameter.device_index);
    }

    /// <summary>Registers a tensor that is saved but not trained.</summary>
    private protected void OwnBuffer(string name, Tensor tensor) => register_buffer(name, tensor.DetachFromDisposeScope());

    /// <inheritdoc/>
    protected override void _toEpilog(ScalarType? dtype, Device? device, bool non_blocking)
    {
        foreach (var (name, parameter) in named_parameters(recurse: false).ToArray())
            if (ReplaceParameter(dtype, device, parameter, out var moved))
            {
                HandOn(parameter, moved!);
                parameter.Dispose();
                ConditionallyRegisterParameter(name, moved);
            }

        if (device is null)
            return;

        foreach (var (name, buffer) in named_buffers(recurse: false).ToArray())
            if (ReplaceBuffer(null, device, buffer, out var moved))
                ConditionallyRegisterBuffer(name, moved);
        (_deviceType, _deviceIndex) = (device.type, device.index);
    }

    private void HandOn(Parameter parameter, Parameter moved)
    {
        if (_source is null || !_source.TryGetTarget(out var source))
            return;

        if (ReferenceEquals(source.weight, parameter))
            source.weight = moved;
        else if (ReferenceEquals(source.bias, parameter))
            source.bias = moved;
    }
}
