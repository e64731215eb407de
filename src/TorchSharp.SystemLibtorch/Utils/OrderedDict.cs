using System.Collections;
using System.Diagnostics.CodeAnalysis;

namespace TorchSharp.Utils;

/// <summary>A dictionary that keeps the order of insertion and can be read by position.</summary>
public class OrderedDict<TKey, TValue> : IDictionary<TKey, TValue>, IList<(TKey, TValue)> where TKey : notnull
{
    private readonly List<(TKey Key, TValue Value)> _items = [];
    private readonly Dictionary<TKey, TValue> _lookup = [];

    public int Count => _items.Count;
    public bool IsReadOnly => false;
    public ICollection<TKey> Keys => _items.ConvertAll(i => i.Key);
    public ICollection<TValue> Values => _items.ConvertAll(i => i.Value);

    public TValue this[TKey key]
    {
        get => _lookup[key];
        set
        {
            if (_lookup.ContainsKey(key)) _items[Position(key)] = (key, value);
            else _items.Add((key, value));
            _lookup[key] = value;
        }
    }

    public (TKey, TValue) this[int index]
    {
        get => _items[index];
        set
        {
            var old = _items[index].Key;
            if (!EqualityComparer<TKey>.Default.Equals(old, value.Item1) && _lookup.ContainsKey(value.Item1)) throw Duplicate(value.Item1);
            _lookup.Remove(old);
            _lookup[value.Item1] = value.Item2;
            _items[index] = value;
        }
    }

    public void Add(TKey key, TValue value) => Insert(Count, (key, value));
    public void Add((TKey, TValue) item) => Insert(Count, item);
    public void Add(KeyValuePair<TKey, TValue> item) => Insert(Count, (item.Key, item.Value));

    public void Insert(int index, (TKey, TValue) item)
    {
        if (!_lookup.TryAdd(item.Item1, item.Item2)) throw Duplicate(item.Item1);
        _items.Insert(index, item);
    }

    public bool Remove(TKey key)
    {
        if (!_lookup.Remove(key)) return false;
        _items.RemoveAt(Position(key));
        return true;
    }

    public bool Remove((TKey, TValue) item) => Contains(item) && Remove(item.Item1);
    public bool Remove(KeyValuePair<TKey, TValue> item) => Contains(item) && Remove(item.Key);
    public void RemoveAt(int index) => Remove(_items[index].Key);

    public void Clear()
    {
        _items.Clear();
        _lookup.Clear();
    }

    public bool ContainsKey(TKey key) => _lookup.ContainsKey(key);
    public bool Contains((TKey, TValue) item) => _lookup.TryGetValue(item.Item1, out var value) && EqualityComparer<TValue>.Default.Equals(value, item.Item2);
    public bool Contains(KeyValuePair<TKey, TValue> item) => Contains((item.Key, item.Value));
    public bool TryGetValue(TKey key, [MaybeNullWhen(false)] out TValue value) => _lookup.TryGetValue(key, out value);
    public int IndexOf((TKey, TValue) item) => _items.IndexOf(item);
    public void CopyTo((TKey, TValue)[] array, int arrayIndex) => _items.CopyTo(array, arrayIndex);

    public void CopyTo(KeyValuePair<TKey, TValue>[] array, int arrayIndex)
    {
        foreach (var (key, value) in _items) array[arrayIndex++] = new KeyValuePair<TKey, TValue>(key, value);
    }

    public IEnumerator<(TKey, TValue)> GetEnumerator() => _items.GetEnumerator();
    IEnumerator<KeyValuePair<TKey, TValue>> IEnumerable<KeyValuePair<TKey, TValue>>.GetEnumerator() =>
        _items.Select(i => new KeyValuePair<TKey, TValue>(i.Key, i.Value)).GetEnumerator();
    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    public IEnumerable<TKey> keys() => _items.Select(i => i.Key);
    public IEnumerable<TValue> values() => _items.Select(i => i.Value);
    public IEnumerator<(TKey, TValue)> items() => GetEnumerator();
    public void clear() => Clear();

    private int Position(TKey key) => _items.FindIndex(i => EqualityComparer<TKey>.Default.Equals(i.Key, key));

    private static ArgumentException Duplicate(TKey key) => new($"The key '{key}' is already there.");
}
