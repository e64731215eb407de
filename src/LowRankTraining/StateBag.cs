using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace LowRankTraining;

/// <summary>Everything that the optimizer keeps about one parameter: named tensors and named counters.</summary>
/// <remarks>
/// Every byte of optimizer state is in a bag, so saving, loading, moving, counting, pruning and resetting are written once. A bag owns its tensors:
/// they belong to no dispose scope, and are freed when they are replaced, removed, or the bag is disposed. An optimizer's bags take what the rule has listed
/// (<see cref="StateSlot"/>), others anything.
/// </remarks>
public sealed class StateBag : IDisposable
{
    private readonly Dictionary<string, Kept> _tensors = [];
    private readonly Dictionary<string, long> _counters = [];
    private readonly HashSet<string>? _slots;
    private readonly string _owner = "";

    /// <summary>Makes a bag that takes anything.</summary>
    public StateBag() { }

    /// <param name="slots">All that it takes.</param>
    /// <param name="owner">Whose they are, as messages name it.</param>
    /// <exception cref="ArgumentException">Two of them have one name.</exception>
    internal StateBag(IEnumerable<StateSlot> slots, string owner)
    {
        (_slots, _owner) = ([], owner);
        foreach (var slot in slots)
            if (!_slots.Add(slot))
                throw new ArgumentException($"Two parts of the rule of {owner} keep '{slot}', and each would write over the other's: "
                    + "give one of them another name, or leave one out.");
    }

    /// <value>The tensors by name, in ordinal order. Do not dispose them.</value>
    public IReadOnlyDictionary<string, Tensor> Tensors => new SortedDictionary<string, Tensor>(
        _tensors.ToDictionary(slot => slot.Key, slot => slot.Value.Tensor), StringComparer.Ordinal);

    /// <value>The counters by name, in ordinal order.</value>
    public IReadOnlyDictionary<string, long> Counters => new SortedDictionary<string, long>(_counters, StringComparer.Ordinal);

    /// <value>Bytes of all tensors.</value>
    public long Bytes => _tensors.Values.Sum(kept => kept.Tensor.NumberOfElements * kept.Tensor.ElementSize);

    /// <summary>The tensor called <paramref name="name"/>.</summary>
    /// <exception cref="KeyNotFoundException">There is none.</exception>
    public Tensor this[string name] => _tensors[name].Tensor;

    /// <summary>Looks a tensor up.</summary>
    public bool TryGet(string name, [MaybeNullWhen(false)] out Tensor tensor)
    {
        tensor = _tensors.TryGetValue(name, out var kept) ? kept.Tensor : null;
        return tensor is not null;
    }

    /// <summary>The tensor called <paramref name="name"/>, made on first use.</summary>
    /// <exception cref="InvalidOperationException">It is to be made, and nobody has listed it.</exception>
    public Tensor GetOrAdd(string name, Func<Tensor> create)
    {
        if (!TryGet(name, out var tensor))
            Set(name, tensor = create());
        return tensor;
    }

    /// <summary>A tensor of zeros in the shape of <paramref name="model"/>, made on first use: float64 beside float64, float32 beside anything else.</summary>
    /// <exception cref="InvalidOperationException">It is to be made, and nobody has listed it.</exception>
    public Tensor ZerosLike(string name, Tensor model)
    {
        if (!TryGet(name, out var tensor))
            Set(name, tensor = zeros(model.shape, model.dtype.Computing(), model.device));
        return tensor;
    }

    /// <summary>A float32 scalar, 0 on first use.</summary>
    /// <exception cref="InvalidOperationException">It is to be made, and nobody has listed it.</exception>
    public Tensor Scalar(string name, Device device) =>
        GetOrAdd(name, () => zeros(Array.Empty<long>(), ScalarType.Float32, device));

    /// <summary>Stores a tensor and takes it over; one stored under the same name before is freed.</summary>
    /// <remarks>What is stored is contiguous: products round differently for other layouts, and a resumed run must not.</remarks>
    /// <exception cref="InvalidOperationException">Nobody has listed it. Nothing was changed.</exception>
    public void Set(string name, Tensor tensor)
    {
        if (_tensors.TryGetValue(name, out var old))
        {
            if (ReferenceEquals(old.Tensor, tensor))
                return;
            old.Dispose();
        }
        else
            RequireListed(name);

        _tensors[name] = new(tensor.InRowOrder().DetachFromDisposeScope());
    }

    /// <summary>Adds to a tensor; where there is none of that name, stores what would be added.</summary>
    internal void Add(string name, Tensor tensor)
    {
        if (TryGet(name, out var sum))
            sum.add_(tensor);
        else
            Set(name, tensor);
    }

    /// <summary>Frees a tensor, if there is one of that name.</summary>
    public void Remove(string name)
    {
        if (_tensors.Remove(name, out var kept))
            kept.Dispose();
    }

    /// <summary>The transpose of a matrix that lies here as it is, a view that is made once; null for a matrix that does not.</summary>
    internal Tensor? TransposeOf(string name, Tensor matrix) =>
        _tensors.TryGetValue(name, out var kept) && ReferenceEquals(kept.Tensor, matrix) ? kept.Transposed : null;

    /// <summary>A counter; 0 until it is set.</summary>
    public long Counter(string name) => _counters.GetValueOrDefault(name);

    /// <summary>Looks a counter up.</summary>
    internal bool TryGetCounter(string name, out long value) => _counters.TryGetValue(name, out value);

    /// <summary>Sets a counter.</summary>
    /// <exception cref="InvalidOperationException">Nobody has listed it. Nothing was changed.</exception>
    public void SetCounter(string name, long value) => Count(name) = value;

    /// <summary>Adds one to a counter.</summary>
    /// <returns>The new value.</returns>
    /// <exception cref="InvalidOperationException">Nobody has listed it. Nothing was changed.</exception>
    public long Advance(string name) => ++Count(name);

    /// <summary>Frees everything.</summary>
    public void Clear()
    {
        foreach (var kept in _tensors.Values)
            kept.Dispose();
        _tensors.Clear();
        _counters.Clear();
    }

    /// <summary>Takes over the content of <paramref name="other"/>, which is empty afterwards.</summary>
    internal void TakeFrom(StateBag other)
    {
        Clear();
        foreach (var (name, kept) in other._tensors)
            _tensors[name] = kept;
        foreach (var (name, value) in other._counters)
            _counters[name] = value;
        other._tensors.Clear();
        other._counters.Clear();
    }

    /// <summary>An independent copy, on <paramref name="device"/>.</summary>
    internal StateBag CopyTo(Device device)
    {
        var copy = new StateBag();
        foreach (var (name, kept) in _tensors)
            copy.Set(name, kept.Tensor.to(device, copy: true));
        foreach (var (name, value) in _counters)
            copy.SetCounter(name, value);
        return copy;
    }

    /// <summary>The same numbers for a parameter of another precision, as PyTorch casts them.</summary>
    /// <param name="computing">The precision in which the parameter is updated: float64 or float32.</param>
    /// <param name="fixedSlots">What is float32 whatever that is.</param>
    internal void Cast(ScalarType computing, IReadOnlySet<string> fixedSlots)
    {
        foreach (var (name, tensor) in Tensors.Where(slot => !fixedSlots.Contains(slot.Key)))
            if (tensor.dtype is ScalarType.Float32 or ScalarType.Float64 && tensor.dtype != computing)
                Set(name, tensor.to(computing));
    }

    /// <summary>Frees every tensor.</summary>
    public void Dispose() => Clear();

    private ref long Count(string name)
    {
        ref var known = ref CollectionsMarshal.GetValueRefOrNullRef(_counters, name);
        if (!Unsafe.IsNullRef(ref known))
            return ref known;

        RequireListed(name);
        return ref CollectionsMarshal.GetValueRefOrAddDefault(_counters, name, out _);
    }

    private void RequireListed(string name)
    {
        if (_slots is not null && !_slots.Contains(name))
            throw new InvalidOperationException($"The rule of {_owner} keeps '{name}' and has not listed it: name it in SlotsFor of the rule, or in the slots "
                + "of its part, so that plans and other parts know of it. Nothing was stored.");
    }

    /// <summary>A tensor, and its transpose once that has been asked for.</summary>
    private sealed class Kept(Tensor tensor) : IDisposable
    {
        private Tensor? _transposed;

        public Tensor Tensor => tensor;

        public Tensor Transposed => _transposed ??= tensor.t().DetachFromDisposeScope();

        public void Dispose()
        {
            tensor.Dispose();
            _transposed?.Dispose();
        }
    }
}

/// <summary>Something that a rule, or a part of one, keeps about each parameter: a tensor or a counter, named once.</summary>
/// <remarks>Its name keys the <see cref="StateBag"/> and checkpoints. What is not listed (<see cref="Parts.UpdateRule.SlotsFor"/>) cannot be kept, and a name
/// that two parts have is refused, so that neither writes over the other.</remarks>
/// <param name="Name">Unique among all that is kept about a parameter: "exp_avg", "limiter_norm".</param>
public sealed record StateSlot(string Name)
{
    /// <value>What it takes between steps, for a float32 or half-precision parameter. Default 0: a counter, or what is there only between two calls.</value>
    public long Bytes { get; init; }

    /// <value>Whether it is float32 whatever the parameter's precision. Default false: numbers are float64 beside float64.</value>
    public bool IsSingle { get; init; }

    /// <value>Whether its numbers are codes, or whole ones, which take the same beside float64. Default false.</value>
    internal bool IsCoded { get; init; }

    /// <summary>What it takes between steps, for a parameter of this dtype.</summary>
    internal long BytesFor(ScalarType dtype) => dtype == ScalarType.Float64 && !IsSingle && !IsCoded ? 2 * Bytes : Bytes;

    /// <summary>The slot with so many numbers in float32.</summary>
    public StateSlot Of(long numbers) => this with { Bytes = sizeof(float) * numbers };

    /// <summary>The name.</summary>
    public override string ToString() => Name;

    /// <summary>The name.</summary>
    public static implicit operator string(StateSlot slot) => slot.Name;
}
