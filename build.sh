#!/usr/bin/env bash
# Builds, tests, shows, measures and packs LowRankTraining. `./build.sh` alone lists the commands.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$root/.ci/build/stages.sh"
. "$root/.ci/build/provider.sh"
. "$root/.ci/build/test.sh"
. "$root/.ci/build/bundle.sh"

usage() {
    cat << 'TEXT'
Usage: ./build.sh COMMAND [ARGUMENTS]

  setup                 find TorchSharp, once: the NuGet package, else the system's libtorch
  test   [ARGS]         build and run every test; ARGS go to dotnet test (--filter NAME)
  demo   [ARGS]         train a small language model by six methods and compare them; ARGS go to samples/Compare
  bench  [NAME] [ARGS]  run the benchmarks, or those whose name contains NAME
  bench  figures        measure what the library promises; also writes artifacts/figures.json
  pack                  make and check the NuGet package
  bundle                make artifacts/bundle: programs and tests for a Linux machine with PyTorch and without .NET
  verify-api            compile everything against the whole public surface of the real TorchSharp

Each command does whatever set-up is missing. To choose yourself, with any command:

  -p:TorchSharpProvider=package|system     where TorchSharp comes from
  -p:TorchBackend=cpu|cuda-linux|cuda-windows   the package's libtorch
  LIBTORCH=/path/to/libtorch               the system provider, over this libtorch
TEXT
}

build() { stage build "Building (Release)" dotnet build "$root/LowRankTraining.sln" -c Release --nologo -v minimal "$@"; }

demo() {
    if [ $# = 0 ]; then
        mkdir -p "$root/artifacts/demo"
        set -- --demo --out "$root/artifacts/demo"
    fi
    stage demo-build 'Building the comparison (Release)' dotnet build "$root/samples/Compare" -c Release --nologo -v minimal
    dotnet run --project "$root/samples/Compare" -c Release --no-build -- "$@"
    if [ -f "$root/artifacts/demo/report.html" ]; then say "Report: artifacts/demo/report.html"; fi
}

bench() {
    local project="$root/benchmarks/LowRankTraining.Benchmarks"
    stage bench-build 'Building the benchmarks (Release)' dotnet build "$project" -c Release --nologo -v minimal
    case ${1:-} in
        '') set -- --filter '*' ;;
        figures) shift; set -- figures --out "$root/artifacts/figures.json" "$@" ;;
        -*) ;;
        *) local name=$1; shift; set -- --filter "*$name*" "$@" ;;
    esac
    dotnet run --project "$project" -c Release --no-build -- "$@"
}

pack() {
    local packages="$root/artifacts/packages"
    rm -rf "$packages"
    stage pack 'Packing (Release)' dotnet pack "$root/src/LowRankTraining" -c Release --nologo -o "$packages" -p:ContinuousIntegrationBuild=true "$@"
    stage pack-check 'Checking what is in the package' dotnet run --file "$root/.ci/build/CheckPackage.cs" -- "$packages"
    (cd "$root" && ls artifacts/packages/*.nupkg artifacts/packages/*.snupkg)
}

verify_api() {
    local stubs="$root/artifacts/verify-api/stubs"
    stage stubs 'Writing the real public surface as source' dotnet run --project "$root/tests/TorchSharp.ApiStubs" -c Release -- "$stubs"
    stage stubs-build 'Compiling it to an assembly TorchSharp' dotnet build "$stubs/TorchSharp.csproj" -c Release --nologo -v minimal
    stage verify-api 'Compiling everything against it' dotnet build "$root/LowRankTraining.sln" -c Release --nologo -v minimal \
        -p:TorchSharpReference="$stubs/bin/TorchSharp.dll" -p:ArtifactsPath="$root/artifacts/verify-api/" -p:RunAnalyzers=false "$@"
}

[ $# -gt 0 ] || { usage; exit 2; }
command=$1
shift

# The two choices are taken out of the arguments: the set-up writes them down, so that later commands and plain dotnet keep to them.
provider_option='' backend_option='' count=$#
while [ "$count" -gt 0 ]; do
    case $1 in
        -p:TorchSharpProvider=* | --property:TorchSharpProvider=*) provider_option=${1#*=} ;;
        -p:TorchBackend=* | --property:TorchBackend=*) backend_option=${1#*=} ;;
        *) set -- "$@" "$1" ;;
    esac
    shift
    count=$((count - 1))
done

case $command in
    setup) set_up; say "Ready: TorchSharp from the $(recorded TorchSharpProvider) provider. dotnet build, test and run work from here." ;;
    test) set_up; build; run_tests "$@" ;;
    demo) set_up; demo "$@" ;;
    bench) set_up; bench "$@" ;;
    pack) set_up; pack "$@" ;;
    bundle) set_up; bundle "$@" ;;
    verify-api) set_up; verify_api "$@" ;;
    help | -h | --help) usage ;;
    *) usage >&2; die "Unknown command '$command'." ;;
esac
