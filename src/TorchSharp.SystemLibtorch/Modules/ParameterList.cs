using System.Collections;
using TorchSharp.Modules;

namespace TorchSharp.Modules
{
    /// <summary>A list of parameters, registered by position when the list itself is registered.</summary>
    public class ParameterList : torch.nn.Module, IList<Parameter>
    {
        private readonly List<Parameter> _list;
        private bool _registered;

        public ParameterList(params Parameter[] parameters)
            : base(nameof(ParameterList)) => _list = [.. parameters ?? []];

        public Parameter this[int index]
        {
            get => _list[index];
            set => _list[index] = value;
        }

        public int Count => _list.Count;

        public bool IsReadOnly => false;

        public void Add(Parameter item) => _list.Add(item);

        public void append(params Parameter[] parameters) => _list.AddRange(parameters ?? []);

        public void extend(IEnumerable<Parameter> parameters) => _list.AddRange(parameters);

        public void Clear() => _list.Clear();

        public bool Contains(Parameter item) => _list.Contains(item);

        public void CopyTo(Parameter[] array, int arrayIndex) => _list.CopyTo(array, arrayIndex);

        public int IndexOf(Parameter item) => _list.IndexOf(item);

        public void Insert(int index, Parameter item) => _list.Insert(index, item);

        public bool Remove(Parameter item) => _list.Remove(item);

        public void RemoveAt(int index) => _list.RemoveAt(index);

        public IEnumerator<Parameter> GetEnumerator() => _list.GetEnumerator();

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

        public override bool has_parameter(string target) => get_parameter(target) is not null;

        public override Parameter? get_parameter(string target)
            => int.TryParse(target, out var position) && position >= 0 && position < Count ? _list[position] : null;

        public override IEnumerable<(string name, Parameter parameter)> named_parameters(bool recurse = true)
            => _list.Select((parameter, position) => ($"{position}", parameter));

        protected override void RegisterComponents()
        {
            if (_registered)
            {
                return;
            }

            for (var position = 0; position < _list.Count; position++)
            {
                register_parameter($"{position}", _list[position]);
            }

            _registered = true;
        }

        protected override void _toEpilog(torch.ScalarType? dtype, torch.Device? device, bool non_blocking)
        {
            base._toEpilog(dtype, device, non_blocking);
            for (var position = 0; position < _list.Count; position++)
            {
                _list[position] = base.get_parameter($"{position}") ?? _list[position];
            }
        }
    }
}

namespace TorchSharp
{
    public static partial class torch
    {
        public static partial class nn
        {
            public static ParameterList ParameterList(params Parameter[] parameters) => new(parameters);
        }
    }
}
