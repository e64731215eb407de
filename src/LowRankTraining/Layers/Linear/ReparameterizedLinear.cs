namespace LowRankTraining.Layers;

/// <summary>A linear layer whose weight is kept in another form than one trainable matrix: the contract of all layers of weight-space methods.</summary>
/// <remarks>
/// <para>A layer registers its tensors with <see cref="Own"/> and <see cref="OwnBuffer"/>, computes <see cref="Output"/>, and says what weight it stands for.
/// Every parameter but <c>weight</c> and <c>bias</c> is a trained part of it. One that also computes <see cref="Change"/> can act as a forward hook.</para>
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

    /// <summary>Begins a layer without parts.</summary>
    /// <param name="name">The name of its type.</param>
    protected ReparameterizedLinear(string name) : base(name) { }

    /// <value>b, one entry for each output, or null.</value>
    public Parameter? bias => PartOrNull(BiasName);

    /// <value>n, entries of an input row.</value>
    public abstract long in_features { get; }

    /// <value>m, entries of an output row.</value>
    public abstract long out_features { get; }

    /// <value>The rank of what is trained, at most the short side of the weight.</value>
    public abstract long Rank { get; }

    /// <summary>What the layer multiplies by, m × n, as a new tensor.</summary>
    /// <exception cref="InvalidOperationException">No weight does what the layer does, see <see cref="HasPlainForm"/>.</exception>
    public abstract Tensor EffectiveWeight();

    /// <value>Whether a plain linear layer can do what this one does. Default true; else <c>Finish()</c> leaves the layer in the model.</value>
    protected internal virtual bool HasPlainForm => true;

    /// <value>Whether the parts are all there is of the weight, so that weight decay is for them. Default false: they are a change of one.</value>
    protected internal virtual bool IsWeight => false;

    /// <value>Bytes of what it keeps for the backward pass of each input row, beyond that row, which a plain layer keeps too. Default 0.</value>
    protected internal virtual long KeptBytesPerRow => 0;

    /// <value>From so many rows on it keeps no more than a plain layer does. Default: never.</value>
    internal virtual long RowsToKeepNothing => long.MaxValue;

    /// <value>Whether the layer has been run.</value>
    internal bool Reached { get; set; }

    /// <value>Whether a session is at work on it, which has put it into a model and will take it out again.</value>
    internal bool IsInSession { get; set; }

    /// <value>Sees the inputs of training batches, N × n; or null.</value>
    internal InputWatch? Watch { get; set; }

    /// <value>Takes the gradient of the weight as it arises in the backward pass; null for a layer that leaves this to libtorch.</value>
    internal virtual GradientSink? Sink => null;

    /// <value>The trained parts, in the order in which they were registered.</value>
    internal IEnumerable<(string Name, Parameter Parameter)> Parts =>
        named_parameters(recurse: false).Where(own => own.name is not (WeightName or BiasName));

    /// <value>The weight of the plain layer, where this one has it, or null.</value>
    internal Parameter? Shared => PartOrNull(WeightName);

    /// <inheritdoc/>
    public sealed override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        return Output(Enter(input)).reshape([.. input.shape[..^1], out_features]).MoveToOuterDisposeScope();
    }

    /// <summary>The output for input rows.</summary>
    /// <param name="rows">N × n.</param>
    /// <returns>N × m, in the dispose scope of the caller.</returns>
    protected abstract Tensor Output(Tensor rows);

    /// <summary>The output, from that of the plain layer: for layers that act as a forward hook.</summary>
    /// <param name="rows">N × n.</param>
    /// <param name="output">x Wᵀ + b of the plain layer, N × m. Not to be changed.</param>
    /// <returns>N × m, a new tensor in the dispose scope of the caller.</returns>
    /// <exception cref="NotSupportedException">The layer cannot.</exception>
    protected virtual Tensor Change(Tensor rows, Tensor output) => throw new NotSupportedException($"A {GetType().Name} cannot act as a hook.");

    /// <summary>What a forward hook makes of the plain layer's output, of which nothing in the graph needs the plain one any more.</summary>
    internal virtual Tensor AfterPlain(Tensor input, Tensor output)
    {
        using var scope = NewDisposeScope();
        var changed = Change(Enter(input), LowRankFactors.Rows(output)).reshape(output.shape).MoveToOuterDisposeScope();
        output.Dispose();
        return changed;
    }

    /// <summary>Begins the step that follows after so many.</summary>
    internal virtual void After(long completed) { }

    /// <summary>Gives the parts other values with which the layer does what it did, up to their rounding.</summary>
    /// <exception cref="NotSupportedException">The layer cannot.</exception>
    internal virtual void Refactor() => throw new NotSupportedException($"The parts of a {GetType().Name} are not a product alone.");

    /// <summary>Shares parameters with a plain layer from now on, also when they are moved.</summary>
    /// <param name="source">The layer whose weight or bias this one has.</param>
    protected internal void ShareWith(Linear source) => _source = new(source);

    /// <summary>Takes the parameters over that a plain layer has now: it was moved without this one.</summary>
    internal void Share(Linear plain)
    {
        if (Shared is not null)
            _internal_params[WeightName] = plain.weight;
        if (bias is not null)
            _internal_params[BiasName] = plain.bias!;
    }

    /// <summary>Frees everything but what it shares, when the layer has left the model.</summary>
    internal void Release()
    {
        var plain = _source is not null && _source.TryGetTarget(out var source) ? source : null;
        foreach (var (name, parameter) in named_parameters(recurse: false))
            if (name != BiasName && (name != WeightName || (plain is not null && !ReferenceEquals(parameter, plain.weight))))
            {
                parameter.grad = null!;
                parameter.Dispose();
            }

        foreach (var (_, buffer) in named_buffers(recurse: false))
            buffer.Dispose();
    }

    /// <summary>A parameter by its name.</summary>
    /// <param name="name">As it was registered.</param>
    protected Parameter Part(string name) => _internal_params[name];

    /// <summary>A parameter by its name, or null.</summary>
    /// <param name="name">As it would have been registered.</param>
    protected Parameter? PartOrNull(string name) => _internal_params.TryGetValue(name, out var part) ? part : null;

    /// <summary>A buffer by its name.</summary>
    /// <param name="name">As it was registered.</param>
    protected Tensor Buffer(string name) => _internal_buffers[name].Item1;

    /// <summary>A buffer by its name, or null.</summary>
    /// <param name="name">As it would have been registered.</param>
    protected Tensor? BufferOrNull(string name) => _internal_buffers.TryGetValue(name, out var buffer) ? buffer.Item1 : null;

    /// <summary>Registers a parameter, if there is one, and outlives the dispose scope with it.</summary>
    /// <param name="name">Its name in the state dict.</param>
    /// <param name="parameter">The parameter.</param>
    protected void Own(string name, Parameter? parameter)
    {
        if (parameter is null)
            return;

        parameter.DetachFromDisposeScope();
        register_parameter(name, parameter);

        // A module counts as one on the CPU until it is told otherwise, and does not move to where it believes to be.
        (_deviceType, _deviceIndex) = (parameter.device_type, parameter.device_index);
    }

    /// <summary>Registers a tensor that is saved but not trained.</summary>
    /// <param name="name">Its name in the state dict.</param>
    /// <param name="tensor">The tensor.</param>
    protected void OwnBuffer(string name, Tensor tensor) => register_buffer(name, tensor.DetachFromDisposeScope());

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

    private Tensor Enter(Tensor input)
    {
        Reached = true;
        var rows = LowRankFactors.Rows(input);
        if (Watch is not null && training && is_grad_enabled())
            Watch.See(rows);
        return rows;
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
