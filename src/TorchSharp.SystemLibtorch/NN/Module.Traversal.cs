using TorchSharp.Modules;

namespace TorchSharp;

public static partial class torch
{
    public static partial class nn
    {
        public partial class Module
        {
            public virtual IEnumerable<(string name, Module module)> named_children() => _internal_submodules;

            public virtual IEnumerable<Module> children() => named_children().Select(child => child.module);

            /// <summary>All descendants, this module not included: first the children, then theirs.</summary>
            public virtual IEnumerable<(string name, Module module)> named_modules()
            {
                foreach (var child in _internal_submodules)
                {
                    yield return child;
                }

                foreach (var (childName, child) in _internal_submodules)
                {
                    foreach (var (descendantName, descendant) in child.named_modules())
                    {
                        yield return ($"{childName}.{descendantName}", descendant);
                    }
                }
            }

            public virtual IEnumerable<Module> modules() => named_modules().Select(descendant => descendant.module);

            public virtual IEnumerable<(string name, Parameter parameter)> named_parameters(bool recurse = true)
            {
                var seen = new HashSet<IntPtr> { IntPtr.Zero };
                foreach (var (parameterName, parameter) in _internal_params)
                {
                    if (seen.Add(HandleOf(parameter)))
                    {
                        yield return (parameterName, parameter);
                    }
                }

                if (!recurse)
                {
                    yield break;
                }

                foreach (var (childName, child) in _internal_submodules)
                {
                    foreach (var (parameterName, parameter) in child.named_parameters(true))
                    {
                        if (seen.Add(HandleOf(parameter)))
                        {
                            yield return ($"{childName}.{parameterName}", parameter);
                        }
                    }
                }
            }

            public virtual IEnumerable<Parameter> parameters(bool recurse = true)
                => named_parameters(recurse).Select(named => named.parameter);

            protected virtual Parameter[] _parameters(bool recurse = true) => parameters(recurse).ToArray();

            public virtual IEnumerable<(string name, Tensor buffer)> named_buffers(bool recurse = true, bool include_nonpersistent = true)
            {
                var seen = new HashSet<IntPtr> { IntPtr.Zero };
                foreach (var (bufferName, (buffer, persistent)) in _internal_buffers)
                {
                    if ((persistent || include_nonpersistent) && seen.Add(HandleOf(buffer)))
                    {
                        yield return (bufferName, buffer);
                    }
                }

                if (!recurse)
                {
                    yield break;
                }

                foreach (var (childName, child) in _internal_submodules)
                {
                    foreach (var (bufferName, buffer) in child.named_buffers(true, include_nonpersistent))
                    {
                        if (seen.Add(HandleOf(buffer)))
                        {
                            yield return ($"{childName}.{bufferName}", buffer);
                        }
                    }
                }
            }

            public virtual IEnumerable<Tensor> buffers(bool recurse = true, bool include_nonpersistent = true)
                => named_buffers(recurse, include_nonpersistent).Select(named => named.buffer);

            public virtual bool has_parameter(string target) => get_parameter(target) is not null;

            public virtual bool has_buffer(string target) => get_buffer(target) is not null;

            public virtual Parameter? get_parameter(string target)
                => _internal_params.TryGetValue(target, out var own)
                    ? own
                    : FirstInChildren(target, static (child, rest) => child.get_parameter(rest));

            public virtual Tensor? get_buffer(string target)
            {
                ArgumentNullException.ThrowIfNull(target);
                return _internal_buffers.TryGetValue(target, out var own)
                    ? own.Item1
                    : FirstInChildren(target, static (child, rest) => child.get_buffer(rest));
            }

            private T? FirstInChildren<T>(string target, Func<Module, string, T?> find)
                where T : class
            {
                var dot = target.IndexOf('.', StringComparison.Ordinal);
                if (dot < 0)
                {
                    return null;
                }

                var (head, rest) = (target[..dot], target[(dot + 1)..]);
                return named_children().Where(child => child.name == head).Select(child => find(child.module, rest)).FirstOrDefault(found => found is not null);
            }

            // A disposed tensor has no handle any more; the walk skips it instead of failing.
            private static IntPtr HandleOf(Tensor tensor) => tensor.IsInvalid ? IntPtr.Zero : tensor.Handle;
        }
    }
}
