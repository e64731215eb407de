using System.Reflection;
using TorchSharp.Modules;

namespace TorchSharp;

public static partial class torch
{
    public static partial class nn
    {
        public partial class Module
        {
            protected internal virtual Module _to(Device device, ScalarType dtype, bool non_blocking)
            {
                var target = Normalized(device.type, device.index);
                _toEpilog(target, dtype, non_blocking);
                return this;
            }

            protected internal virtual Module _to(DeviceType deviceType, int deviceIndex, bool non_blocking)
            {
                var target = Normalized(deviceType, deviceIndex);
                if (target.type != _deviceType || target.index != _deviceIndex)
                {
                    _toEpilog(target.type, target.index, non_blocking);
                }

                return this;
            }

            protected internal virtual Module _to(ScalarType dtype, bool non_blocking)
            {
                if (!is_floating_point(dtype) && !is_complex(dtype))
                {
                    throw new ArgumentException($"nn.Module.to only accepts floating point or complex types, but got desired dtype={dtype}");
                }

                _toEpilog(dtype, non_blocking);
                return this;
            }

            public Module _to(Tensor other, bool non_blocking)
            {
                _to(other.dtype, non_blocking);
                return _to(other.device_type, other.device_index, non_blocking);
            }

            protected void _toEpilog(ScalarType dtype, bool non_blocking) => _toEpilog(dtype, null, non_blocking);

            protected void _toEpilog(Device device, ScalarType dtype, bool non_blocking) => _toEpilog(dtype, device, non_blocking);

            protected void _toEpilog(DeviceType deviceType, int deviceIndex, bool non_blocking)
                => _toEpilog(null, new Device(deviceType, deviceIndex), non_blocking);

            /// <summary>Converts the children, then replaces own parameters and buffers, and writes the new ones into the properties or fields that held the old.</summary>
            protected virtual void _toEpilog(ScalarType? dtype, Device? device, bool non_blocking)
            {
                foreach (var (_, child) in named_children())
                {
                    child.Convert(dtype, device, non_blocking);
                }

                foreach (var (parameterName, parameter) in named_parameters(false).ToList())
                {
                    if (!ReplaceParameter(dtype, device, parameter, out var replacement) || SetProperty(parameterName, replacement!))
                    {
                        continue;
                    }

                    parameter.Dispose();
                    ConditionallyRegisterParameter(parameterName, replacement);
                    SetField(parameterName, replacement!);
                }

                foreach (var (bufferName, buffer) in named_buffers(false).ToList())
                {
                    if (!ReplaceBuffer(dtype, device, buffer, out var replacement) || SetProperty(bufferName, replacement!))
                    {
                        continue;
                    }

                    ConditionallyRegisterBuffer(bufferName, replacement, _internal_buffers[bufferName].Item2);
                    SetField(bufferName, replacement!);
                }

                if (device is not null)
                {
                    _deviceType = device.type;
                    _deviceIndex = device.index;
                }
            }

            protected static bool ReplaceBuffer(ScalarType? dtype, Device? device, Tensor buffer, out Tensor? result)
            {
                result = null;
                var target = (dtype: TargetType(buffer, dtype), device: device ?? buffer.device);
                if (!WillCopy(buffer, target.dtype, target.device))
                {
                    return false;
                }

                result = buffer.to(target.dtype, target.device, disposeAfter: true).DetachFromDisposeScope();
                return true;
            }

            /// <summary>Makes a parameter of the wanted type and device, with its gradient; false when it already is.</summary>
            protected static bool ReplaceParameter(ScalarType? dtype, Device? device, Parameter param, out Parameter? p)
            {
                p = null;
                using var gradient = param.grad;
                var target = (dtype: TargetType(param, dtype), device: device ?? param.device);
                if (!WillCopy(param, target.dtype, target.device) && (gradient is null || !WillCopy(gradient, target.dtype, target.device)))
                {
                    return false;
                }

                using var guard = no_grad();
                p = new Parameter(param.to(target.dtype, target.device), param.requires_grad);
                p.DetachFromDisposeScope();
                if (gradient is not null)
                {
                    using var moved = gradient.to(target.dtype, target.device);
                    p.grad = moved;
                }

                return true;
            }

            // A layer that was made on a device knows it, so that a later move back is not taken for a move to where it already is.
            internal void AdoptDeviceOf(Tensor tensor) => (_deviceType, _deviceIndex) = (tensor.device_type, Normalized(tensor.device_type, tensor.device_index).index);

            private void Convert(ScalarType? dtype, Device? device, bool non_blocking)
            {
                if (device is null)
                {
                    _to(dtype!.Value, non_blocking);
                }
                else if (dtype is null)
                {
                    _to(device.type, device.index, non_blocking);
                }
                else
                {
                    _to(device, dtype.Value, non_blocking);
                }
            }

            private bool SetProperty(string component, Tensor value)
            {
                var property = GetType().GetProperties(BindingFlags.Public | BindingFlags.Instance)
                    .FirstOrDefault(candidate => candidate.Name == component && candidate.CanWrite);
                property?.SetValue(this, value);
                return property is not null;
            }

            private void SetField(string component, Tensor value)
                => FieldsOf(GetType()).FirstOrDefault(field => field.ComponentName() == component)?.SetValue(this, value);

            private static ScalarType TargetType(Tensor tensor, ScalarType? wanted)
                => wanted is { } dtype && (tensor.is_floating_point() || tensor.is_complex()) ? dtype : tensor.dtype;

            private static bool WillCopy(Tensor tensor, ScalarType dtype, Device device)
                => tensor.dtype != dtype || tensor.device_type != device.type
                    || (device.type == DeviceType.CUDA && device.index >= 0 && tensor.device_index != device.index);

            private static Device Normalized(DeviceType type, int index)
            {
                if (type == DeviceType.CUDA && !cuda.is_available())
                {
                    throw new InvalidOperationException("CUDA is not available.");
                }

                return new Device(type, type == DeviceType.CUDA ? index : -1);
            }
        }
    }
}
