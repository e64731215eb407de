#!/usr/bin/env bash
# Compiles the native half of the binding.  Usage: build.sh <libtorch root, or empty for the system's> <output.so>
set -euo pipefail

root=${1:-}
output=${2:?usage: build.sh <libtorch root, or empty> <output.so>}
source=$(dirname "$(readlink -f "$0")")/SystemLibtorch.cpp

if [[ -n $root ]]; then
  lib=$root/lib
  include=(-isystem "$root/include" -isystem "$root/include/torch/csrc/api/include")
else
  for lib in "/usr/lib/$(${CXX:-g++} -dumpmachine)" /usr/lib64 /usr/local/lib; do
    [[ -e $lib/libtorch_cpu.so ]] && break
  done
  include=(-isystem /usr/include -isystem /usr/include/torch/csrc/api/include)
  [[ $lib == /usr/local/lib ]] && include=(-isystem /usr/local/include -isystem /usr/local/include/torch/csrc/api/include)
fi
if [[ ! -e $lib/libtorch_cpu.so ]]; then
  echo "No libtorch in '$lib'. Install libtorch-dev, or give the folder of a libtorch or of a PyTorch wheel's 'torch'." >&2
  exit 1
fi

# Headers in /usr/include are found without being told, and g++ stumbles over them when told.
[[ ${include[1]} == /usr/include ]] && include=("${include[@]:2}")

# A wheel may be built with the old string ABI, whose std::string is mangled as Ss; its own symbols tell.
abi=1
if nm -D --defined-only "$lib/libc10.so" 2>/dev/null | grep -q '_ZN3c105ErrorC.*Ss'; then
  abi=0
fi

libraries=(-ltorch -ltorch_cpu -lc10)
[[ -e $lib/libtorch_cuda.so && -e $lib/libc10_cuda.so ]] && libraries+=(-Wl,--no-as-needed -ltorch_cuda -lc10_cuda)

mkdir -p "$(dirname "$output")"
"${CXX:-g++}" -O2 -std=c++17 -shared -fPIC -fvisibility=hidden -D_GLIBCXX_USE_CXX11_ABI=$abi \
  "${include[@]}" "$source" -o "$output" -L"$lib" -Wl,-rpath,"$lib" "${libraries[@]}" ${CXXFLAGS:-}
