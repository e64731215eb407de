using System.Runtime.CompilerServices;
using TorchSharp.Modules;
using TensorModule = TorchSharp.torch.nn.Module<TorchSharp.torch.Tensor, TorchSharp.torch.Tensor>;

namespace TorchSharp.Modules
{
    /// <summary>Modules applied one after the other. Intermediate results are disposed as soon as the next module has used them.</summary>
    public class Sequential : torch.nn.Module<torch.Tensor, torch.Tensor>
    {
        private const string IndexerName = "SequentialItems";

        private readonly List<torch.nn.IModule<torch.Tensor, torch.Tensor>> _modules = [];
        private readonly List<string> _names = [];

        protected Sequential(params (string name, TensorModule submodule)[] modules)
            : base(nameof(Sequential)) => AddRange(modules);

        protected Sequential(params TensorModule[] modules)
            : base(nameof(Sequential)) => AddRange(Numbered(modules));

        internal Sequential(IEnumerable<(string Name, torch.nn.IModule<torch.Tensor, torch.Tensor> Module)> items)
            : base(nameof(Sequential))
        {
            foreach (var (name, module) in items)
            {
                append(name, module);
            }
        }

        public int Count => _modules.Count;

        [IndexerName(IndexerName)]
        public torch.nn.IModule<torch.Tensor, torch.Tensor> this[int index] => _modules[index];

        [IndexerName(IndexerName)]
        public Sequential this[(int? start, int? end) index] => this[(index.start ?? 0)..(index.end ?? Count)];

        [IndexerName(IndexerName)]
        public Sequential this[Range index]
        {
            get
            {
                var (offset, length) = index.GetOffsetAndLength(Count);
                return new Sequential(_names.Zip(_modules).Skip(offset).Take(length));
            }
        }

        public Sequential append(torch.nn.IModule<torch.Tensor, torch.Tensor> module) => append($"{Count}", module);

        public Sequential append(string name, torch.nn.IModule<torch.Tensor, torch.Tensor> module)
        {
            _names.Add(name);
            _modules.Add(module);
            return this;
        }

        public override torch.Tensor forward(torch.Tensor tensor)
        {
            if (Count == 0)
            {
                return tensor.alias();
            }

            var result = _modules[0].call(tensor);
            foreach (var module in _modules.Skip(1))
            {
                var next = module.call(result);
                result.Dispose();
                result = next;
            }

            return result;
        }

        public override IEnumerable<(string name, torch.nn.Module module)> named_children()
            => _names.Zip(_modules, (name, module) => (name, (torch.nn.Module)module));

        public override IEnumerable<(string name, torch.nn.Module module)> named_modules()
            => named_children().Concat(Nested(child => child.named_modules()));

        public override IEnumerable<(string name, Parameter parameter)> named_parameters(bool recurse = true)
            => recurse ? Nested(child => child.named_parameters()).DistinctBy(named => named.Item2.Handle) : [];

        public override IEnumerable<(string name, torch.Tensor buffer)> named_buffers(bool recurse = true, bool include_persistent = true)
            => recurse ? Nested(child => child.named_buffers(true, include_persistent)) : [];

        public override torch.nn.Module apply(Action<torch.nn.Module> fn)
        {
            foreach (var (_, child) in named_children())
            {
                child.apply(fn);
            }

            fn(this);
            return this;
        }

        protected internal override torch.nn.Module _to(torch.Device device, torch.ScalarType dtype, bool non_blocking)
            => ForEachChild(child => child._to(device, dtype, non_blocking));

        protected internal override torch.nn.Module _to(DeviceType deviceType, int deviceIndex, bool non_blocking)
            => ForEachChild(child => child._to(deviceType, deviceIndex, non_blocking));

        protected internal override torch.nn.Module _to(torch.ScalarType dtype, bool non_blocking)
            => ForEachChild(child => child._to(dtype, non_blocking));

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                ForEachChild(child => child.Dispose());
            }

            base.Dispose(disposing);
        }

        internal static IEnumerable<(string Name, TensorModule Module)> Numbered(IEnumerable<TensorModule> modules)
            => modules.Select((module, position) => ($"{position}", module));

        private void AddRange(IEnumerable<(string Name, TensorModule Module)> modules)
        {
            foreach (var (name, module) in modules)
            {
                append(name, module);
            }
        }

        private Sequential ForEachChild(Action<torch.nn.Module> action)
        {
            foreach (var (_, child) in named_children())
            {
                action(child);
            }

            return this;
        }

        private IEnumerable<(string, T)> Nested<T>(Func<torch.nn.Module, IEnumerable<(string, T)>> entries)
            => named_children().SelectMany(child => entries(child.module).Select(entry => ($"{child.name}.{entry.Item1}", entry.Item2)));
    }
}

namespace TorchSharp
{
    public static partial class torch
    {
        public static partial class nn
        {
            public static Sequential Sequential() => Chain([]);

            public static Sequential Sequential(params (string name, Module<Tensor, Tensor> submodule)[] modules) => Chain(modules);

            public static Sequential Sequential(params Module<Tensor, Tensor>[] modules) => Chain(Modules.Sequential.Numbered(modules));

            public static Sequential Sequential(params Tuple<string, Module<Tensor, Tensor>>[] modules)
                => Chain(modules.Select(module => (module.Item1, module.Item2)));

            public static Sequential Sequential(IEnumerable<(string name, Module<Tensor, Tensor> submodule)> modules) => Chain(modules);

            public static Sequential Sequential(IEnumerable<Tuple<string, Module<Tensor, Tensor>>> modules)
                => Chain(modules.Select(module => (module.Item1, module.Item2)));

            public static Sequential Sequential(IEnumerable<Module<Tensor, Tensor>> modules) => Chain(Modules.Sequential.Numbered(modules));

            private static Sequential Chain(IEnumerable<(string, Module<Tensor, Tensor>)> modules)
                => new(modules.Select(module => (module.Item1, (IModule<Tensor, Tensor>)module.Item2)));
        }
    }
}
