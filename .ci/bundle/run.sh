#!/usr/bin/env bash
# Starts @PROGRAM@ with what this folder holds: its own .NET, and the text that the samples train on unless told otherwise.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [ ! -f "$here/app/libSystemLibtorch.so" ]; then
    echo "Run ./setup.sh once: it compiles the native part against the PyTorch of this machine." >&2
    exit 1
fi
export DOTNET_ROOT="$here/dotnet"
exec "$here/app/@PROGRAM@" "$@"
