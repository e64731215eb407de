#!/usr/bin/env bash
# Starts @PROGRAM@ over the libtorch of this machine's PyTorch, or of the folder that LIBTORCH names.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
libtorch=${LIBTORCH:-}
# Found without importing it, which would take seconds.
find_torch='import importlib.util as u; s = u.find_spec("torch"); print(s.submodule_search_locations[0] if s else "")'
if [ -z "$libtorch" ]; then libtorch=$(python3 -c "$find_torch" 2> /dev/null || true); fi
if [ ! -e "$libtorch/lib/libtorch_cpu.so" ]; then
    echo "No libtorch: python3 has no PyTorch, and LIBTORCH names no folder with lib/libtorch_cpu.so. Set LIBTORCH to an unpacked libtorch 2.10 or newer, or to the folder torch of a Python PyTorch." >&2
    exit 1
fi
export LD_LIBRARY_PATH="$libtorch/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
export DOTNET_ROOT="$here/dotnet"
exec "$here/app/@PROGRAM@" "$@"
