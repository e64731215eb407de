#!/usr/bin/env bash
# Builds, tests, shows, measures and packs LowRankTraining. `./build.sh` alone lists the commands.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$root/.ci/build/stages.sh"
. "$root/.ci/build/prepare.sh"
. "$root/.ci/build/test.sh"
. "$root/.ci/build/bundle.sh"

usage() {
    cat << 'TEXT'
Usage: ./build.sh COMMAND [ARGUMENTS]

  build  [ARGS]         build everything (Release)
  test   [ARGS]         build and run every test; ARGS go to dotnet test (--filter NAME)
  demo   [ARGS]         train a small language model by six methods and compare them; ARGS go to samples/Compare
  bench  [NAME] [ARGS]  run the benchmarks, or those whose name contains NAME
  bench  memory [MODEL] measure what training large models takes; also writes artifacts/memory.json
  bench  tables         write the tables and the picture of the comparison from benchmarks/results
  bench  check-claims   compare the numbers on the pages with benchmarks/results, and measure the cheap ones again
  bench  figures        measure what the library promises; also writes artifacts/figures.json
  fuzz   [INPUTS]       read INPUTS damaged files (default 100000) of each kind; `test` reads 300
  soak   [STEPS]        train STEPS steps (default 200000) by each of five methods: nothing may grow
  collect [SECONDS]     train so long (default 5) by every method while another thread only collects garbage: every bit must stay
  large  [BILLIONS]     save and load a tensor of so many times 2^30 numbers (default 1.2; 2.4 GB)
  kill   [TIMES]        kill a training program TIMES times (default 1000) while it saves: nothing may be lost
  pack                  make and check the NuGet packages
  docs                  make the site with the API reference: artifacts/site
  bundle                make artifacts/bundle: programs and tests for a Linux machine with PyTorch and without .NET

  -p:TorchBackend=cpu|cuda-linux|cuda-windows   with any command: the libtorch of the programs (default cpu)

Plain dotnet build, dotnet test and dotnet run do the same without set-up.
TEXT
}

# compile NAME TEXT PROJECT ARGS...: restores and builds it.
compile() {
    restore "$3" $backend
    stage "$1" "$2" dotnet build "$root/$3" -c Release --no-restore --nologo -v minimal $backend "${@:4}"
}

build() { compile build 'Building (Release)' LowRankTraining.sln; }

demo() {
    if [ $# = 0 ]; then
        mkdir -p "$root/artifacts/demo"
        set -- --demo --out "$root/artifacts/demo"
    fi
    compile demo-build 'Building the comparison (Release)' samples/Compare
    local status=0
    dotnet run --project "$root/samples/Compare" -c Release --no-build $backend -- "$@" || status=$?
    if [ -f "$root/artifacts/demo/report.html" ]; then say "Report: artifacts/demo/report.html"; fi
    return $status
}

bench() {
    local project=benchmarks/LowRankTraining.Benchmarks
    compile bench-build 'Building the benchmarks (Release)' "$project"
    case ${1:-} in
        '') set -- --filter '*' ;;
        figures) shift; set -- figures --out "$root/artifacts/figures.json" "$@" ;;
        memory) ;;
        tables | check-claims) set -- "$1" "$root" ;;
        -*) ;;
        *) local name=$1; shift; set -- --filter "*$name*" "$@" ;;
    esac
    dotnet run --project "$root/$project" -c Release --no-build $backend -- "$@"
}

# endurance COMMAND ARGS: one of the long trials of the benchmarks' program.
endurance() {
    compile bench-build 'Building the benchmarks (Release)' benchmarks/LowRankTraining.Benchmarks
    dotnet run --project "$root/benchmarks/LowRankTraining.Benchmarks" -c Release --no-build $backend -- "$@"
}

fuzz() {
    compile fuzz-build 'Building the tests (Release)' tests/LowRankTraining.Tests
    LRT_FUZZ_INPUTS=${1:-100000} dotnet test "$root/tests/LowRankTraining.Tests" -c Release --no-build --nologo --filter FullyQualifiedName~FuzzTests
}

pack() {
    local packages="$root/artifacts/packages"
    rm -rf "$packages"
    local project
    for project in "$root"/src/*/*.csproj; do
        stage "pack-$(basename "$project" .csproj)" "Packing $(basename "$project" .csproj)" \
            dotnet pack "$project" -c Release --nologo -o "$packages" -p:ContinuousIntegrationBuild=true "$@"
    done
    stage pack-check 'Checking what is in the packages' dotnet run --file "$root/.ci/build/CheckPackage.cs" -- "$packages"
    (cd "$root" && ls artifacts/packages/*.nupkg artifacts/packages/*.snupkg)
}

# The site is made from the pages of docs, and from what the compiled libraries say about themselves; any warning, such as a dead link, ends it.
docs() {
    local assemblies="$root/artifacts/docs/assemblies"
    compile docs-build 'Building what is documented (Release)' samples/Hosting
    compile docs-build-mpi 'Building the package for several processes' src/LowRankTraining.Mpi -p:CopyLocalLockFileAssemblies=true
    rm -rf "$root/artifacts/site" "$root/docs/api" "$assemblies"
    mkdir -p "$assemblies"
    cp "$root"/artifacts/bin/Hosting/release/{*.dll,LowRankTraining*.xml} "$root"/artifacts/bin/LowRankTraining.Mpi/release_net10.0/{MPI.dll,*Mpi.dll,*Mpi.xml} "$assemblies"
    stage docs-tool 'Restoring docfx' dotnet tool restore --tool-manifest "$root/.config/dotnet-tools.json"
    (cd "$root" && stage docs 'Making the site' dotnet docfx docs/docfx.json --warningsAsErrors "$@")
    say 'Site: artifacts/site/index.html (dotnet docfx serve artifacts/site shows it)'
}

[ $# -gt 0 ] || { usage; exit 2; }
command=$1
shift

# The backend is taken out of the arguments: it belongs to the build, the others to what runs.
backend='' count=$#
while [ "$count" -gt 0 ]; do
    case $1 in
        -p:TorchBackend=* | --property:TorchBackend=*) backend="-p:TorchBackend=${1#*=}" ;;
        *) set -- "$@" "$1" ;;
    esac
    shift
    count=$((count - 1))
done

case $command in
    build | demo | bench | fuzz | pack | docs | bundle) require_dotnet; "$command" "$@" ;;
    soak | collect | kill | large) require_dotnet; endurance "$command" "$@" ;;
    test) require_dotnet; provide_mpi; build; run_tests "$@" ;;
    help | -h | --help) usage ;;
    *) usage >&2; die "Unknown command '$command'." ;;
esac
