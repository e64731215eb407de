using TorchSharp.Utils;

namespace TorchSharp;

public static partial class torch
{
    public static partial class nn
    {
        public partial class Module
        {
            /// <summary>Parameters and persistent buffers by qualified name: all parameters first, then all buffers.</summary>
            public virtual Dictionary<string, Tensor> state_dict(Dictionary<string, Tensor>? destination = null, string? prefix = null)
            {
                destination ??= [];
                string Key(string entry) => string.IsNullOrEmpty(prefix) ? entry : $"{prefix}.{entry}";

                foreach (var (parameterName, parameter) in named_parameters())
                {
                    destination.TryAdd(Key(parameterName), parameter);
                }

                foreach (var (bufferName, buffer) in named_buffers(include_nonpersistent: false))
                {
                    destination.TryAdd(Key(bufferName), buffer);
                }

                foreach (var (childName, child) in _internal_submodules)
                {
                    child.state_dict(destination, Key(childName));
                }

                return destination;
            }

            public virtual (IList<string> missing_keys, IList<string> unexpected_keyes) load_state_dict(
                Dictionary<string, Tensor> source, bool strict = true, IList<string>? skip = null)
            {
                skip ??= [];
                var destination = state_dict();
                var unexpected = source.Keys.Where(key => !skip.Contains(key) && !destination.ContainsKey(key)).ToList();
                var missing = destination.Keys.Where(key => !skip.Contains(key) && !source.ContainsKey(key)).ToList();
                if (strict && missing.Count + unexpected.Count > 0)
                {
                    throw new InvalidOperationException("The loaded state_dict is not identical to the target dictionary.");
                }

                using var guard = no_grad();
                foreach (var (key, value) in source)
                {
                    if (!skip.Contains(key) && destination.TryGetValue(key, out var target))
                    {
                        target.copy_(value);
                    }
                }

                return (missing, unexpected);
            }

            public Module save(string location, IList<string>? skip = null)
            {
                using var writer = new BinaryWriter(File.Create(location));
                return save(writer, skip);
            }

            public Module save(Stream stream, IList<string>? skip = null)
            {
                using var writer = new BinaryWriter(stream);
                return save(writer, skip);
            }

            public Module save(BinaryWriter writer, IList<string>? skip = null)
            {
                save_state_dict(writer, state_dict(), skip);
                return this;
            }

            public static void save_state_dict(BinaryWriter writer, Dictionary<string, Tensor> sd, IList<string>? skip = null)
            {
                var entries = skip is null ? sd.ToList() : sd.Where(entry => !skip.Contains(entry.Key)).ToList();
                writer.Encode(entries.Count);
                foreach (var (key, tensor) in entries)
                {
                    writer.Write(key);
                    tensor.Save(writer);
                }
            }

            public virtual Module load(string location, bool strict = true, IList<string>? skip = null, Dictionary<string, bool>? loadedParameters = null)
            {
                if (!File.Exists(location))
                {
                    throw new FileNotFoundException(location);
                }

                using var reader = new BinaryReader(File.OpenRead(location));
                return load(reader, strict, skip, loadedParameters);
            }

            public Module load(Stream stream, bool strict = true, IList<string>? skip = null, Dictionary<string, bool>? loadedParameters = null)
            {
                using var reader = new BinaryReader(stream);
                return load(reader, strict, skip, loadedParameters);
            }

            /// <remarks>A module on another device travels to the CPU and back, which replaces its parameters: make the optimizer afterwards.</remarks>
            public virtual Module load(BinaryReader reader, bool strict = true, IList<string>? skip = null, Dictionary<string, bool>? loadedParameters = null)
            {
                var (deviceType, deviceIndex) = (_deviceType, _deviceIndex);
                if (deviceType == DeviceType.CPU)
                {
                    ReadEntries(reader, strict, skip ?? [], loadedParameters);
                    return this;
                }

                this.cpu();
                try
                {
                    ReadEntries(reader, strict, skip ?? [], loadedParameters);
                }
                finally
                {
                    _to(deviceType, deviceIndex, false);
                }

                return this;
            }

            public static Module Create<T>(string path)
                where T : Module, new()
                => new T().load(path);

            private void ReadEntries(BinaryReader reader, bool strict, IList<string> skip, Dictionary<string, bool>? loadedParameters)
            {
                var destination = state_dict();
                var count = reader.Decode();
                if (strict && count != destination.Count)
                {
                    throw new ArgumentException($"Mismatched state_dict sizes: expected {destination.Count}, but found {count} entries.");
                }

                for (var entry = 0L; entry < count; entry++)
                {
                    var key = reader.ReadString();
                    var found = destination.TryGetValue(key, out var target);
                    if (strict && !found)
                    {
                        throw new ArgumentException($"Mismatched module state names: the target modules does not have a submodule or buffer named '{key}'");
                    }

                    if (found && !skip.Contains(key))
                    {
                        target!.Load(reader);
                    }
                    else
                    {
                        using var skipped = TensorExtensionMethods.Load(reader, skip: true);
                    }

                    loadedParameters?.Add(key, found);
                }
            }
        }
    }
}
