using System.Collections;
using System.Diagnostics.CodeAnalysis;
using TorchSharp.Modules;
using TorchSharp.Utils;

namespace TorchSharp.Modules
{
    /// <summary>Modules by name in order of insertion, registered when the dictionary itself is registered.</summary>
    public class ModuleDict<T> : torch.nn.Module, IDictionary<string, T>, IList<(string, T)>
        where T : torch.nn.Module
    {
        private readonly OrderedDict<string, T> _items = new();
        private bool _registered;

        public ModuleDict()
            : base("ModuleDict")
        {
        }

        public T this[string key]
        {
            get => _items[key];
            set => _items[key] = value;
        }

        public (string, T) this[int index]
        {
            get => _items[index];
            set => _items[index] = value;
        }

        public int Count => _items.Count;

        public bool IsReadOnly => false;

        public ICollection<string> Keys => _items.Keys;

        public ICollection<T> Values => _items.Values;

        public IEnumerable<string> keys() => _items.keys();

        public IEnumerable<T> values() => _items.values();

        public IEnumerator<(string, T)> items() => _items.items();

        public void clear() => _items.clear();

        public void Clear() => _items.Clear();

        public void Add((string, T) item) => _items.Add(item);

        public void Add(string key, T value) => _items.Add(key, value);

        public void Add(KeyValuePair<string, T> item) => _items.Add(item);

        public bool Contains((string, T) item) => _items.Contains(item);

        public bool Contains(KeyValuePair<string, T> item) => _items.Contains(item);

        public bool ContainsKey(string key) => _items.ContainsKey(key);

        public bool TryGetValue(string key, [MaybeNullWhen(false)] out T value) => _items.TryGetValue(key, out value);

        public void CopyTo((string, T)[] array, int arrayIndex) => _items.CopyTo(array, arrayIndex);

        public void CopyTo(KeyValuePair<string, T>[] array, int arrayIndex) => _items.CopyTo(array, arrayIndex);

        public int IndexOf((string, T) item) => _items.IndexOf(item);

        public void Insert(int index, (string, T) item) => _items.Insert(index, item);

        public bool Remove((string, T) item) => _items.Remove(item);

        public bool Remove(string key) => _items.Remove(key);

        public bool Remove(KeyValuePair<string, T> item) => _items.Remove(item);

        public void RemoveAt(int index) => _items.RemoveAt(index);

        public IEnumerator<(string, T)> GetEnumerator() => _items.GetEnumerator();

        IEnumerator<KeyValuePair<string, T>> IEnumerable<KeyValuePair<string, T>>.GetEnumerator()
            => _items.Select<(string, T), KeyValuePair<string, T>>(item => new(item.Item1, item.Item2)).GetEnumerator();

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

        protected override void RegisterComponents()
        {
            if (_registered)
            {
                return;
            }

            foreach (var (key, module) in (IEnumerable<(string, T)>)_items)
            {
                register_module(key, module);
            }

            _registered = true;
        }
    }
}

namespace TorchSharp
{
    public static partial class torch
    {
        public static partial class nn
        {
            public static ModuleDict<Module> ModuleDict(params (string, Module)[] modules) => ModuleDict<Module>(modules);

            public static ModuleDict<T> ModuleDict<T>(params (string, T)[] modules)
                where T : Module
            {
                var result = new ModuleDict<T>();
                foreach (var module in modules)
                {
                    result.Add(module);
                }

                return result;
            }
        }
    }
}
