# Set-up: decides once which provider gives the assembly TorchSharp, makes it ready and writes the choice to TorchSharpProvider.props.

choice="$root/TorchSharpProvider.props"
native="$root/artifacts/native"

set_up() {
    require_dotnet
    local provider=${provider_option:-} recorded
    recorded=$(recorded TorchSharpProvider)
    if [ -z "$provider" ] && [ -n "${LIBTORCH:-}" ]; then provider=system; fi
    provider=${provider:-${TorchSharpProvider:-$recorded}}
    case $provider in
        package) use_package ;;
        system) use_system ;;
        '') if package_answers; then use_package; else use_system; fi ;;
        *) die "TorchSharpProvider is '$provider'; it must be 'package' (TorchSharp from NuGet) or 'system' (our binding over the system's libtorch)." ;;
    esac
}

require_dotnet() {
    if ! command -v dotnet > /dev/null && [ -x "$HOME/.dotnet/dotnet" ]; then PATH="$HOME/.dotnet:$PATH"; fi
    if ! dotnet --list-sdks 2> /dev/null | awk -F. '$1 >= 10 { found = 1 } END { exit !found }'; then
        die 'This needs the .NET SDK 10 or newer.' 'Install it from https://dotnet.microsoft.com/download/dotnet/10.0 and run this command again.'
    fi
    export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_CLI_UI_LANGUAGE=en
}

# recorded PROPERTY: what an earlier set-up wrote.
recorded() {
    if [ -f "$choice" ]; then sed -n "s:.*<$1[^>]*>\(.*\)</$1>.*:\1:p" "$choice"; fi
}

record() {
    local provider=$1 backend=$2 libtorch=${3:-} library=''
    if [ "$provider" = system ]; then library='$(MSBuildThisFileDirectory)artifacts/native/libSystemLibtorch.so'; fi
    cat > "$choice.new" << XML
<Project>
  <!-- Written by the set-up and not kept in git: what this machine builds with. A value given on the command line wins. -->
  <PropertyGroup>
    <TorchSharpProvider Condition="'\$(TorchSharpProvider)' == ''">$provider</TorchSharpProvider>
    <TorchBackend Condition="'\$(TorchBackend)' == ''">$backend</TorchBackend>
    <SystemLibtorchRoot>$libtorch</SystemLibtorchRoot>
    <SystemLibtorchNative>$library</SystemLibtorchNative>
  </PropertyGroup>
</Project>
XML
    mv "$choice.new" "$choice"
}

# ---- package ----

package_answers() {
    printf '  %-58s ' 'Looking for TorchSharp on NuGet'
    if probe_package; then printf 'found\n'; else printf 'not there\n'; return 1; fi
}

# A restore in a project that is thrown away, with a limit: a feed that does not answer must not hold up the set-up.
probe_package() {
    local probe="$root/artifacts/probe" limit=''
    if command -v timeout > /dev/null; then limit='timeout 120'; fi
    mkdir -p "$probe"
    cat > "$probe/Probe.csproj" << 'XML'
<Project Sdk="Microsoft.NET.Sdk">
  <ItemGroup>
    <PackageReference Include="TorchSharp" />
  </ItemGroup>
</Project>
XML
    attempt probe env NUGET_ENHANCED_MAX_NETWORK_TRY_COUNT=2 \
        $limit dotnet restore "$probe/Probe.csproj" -p:TorchSharpProvider=package --disable-build-servers
}

use_package() {
    local backend=${backend_option:-${TorchBackend:-$(recorded TorchBackend)}}
    backend=${backend:-cpu}
    case $backend in
        cpu | cuda-linux | cuda-windows) ;;
        *) die "TorchBackend is '$backend'; it must be 'cpu', 'cuda-linux' or 'cuda-windows'." ;;
    esac
    if [ "$(recorded TorchSharpProvider)" = package ] && [ "$(recorded TorchBackend)" = "$backend" ]; then return; fi
    record package "$backend"
    say "  TorchSharp comes from the NuGet package, with TorchSharp-$backend."
}

# ---- system ----

use_system() {
    local libtorch=${LIBTORCH:-} source="$root/src/TorchSharp.SystemLibtorch/native"
    if [ -z "$libtorch" ] && [ -z "${provider_option:-}" ]; then libtorch=$(recorded SystemLibtorchRoot); fi
    if [ -n "$libtorch" ]; then
        has_libtorch "$libtorch" || die "There is no libtorch in '$libtorch': include/ATen/ATen.h and lib/libtorch_cpu.so were looked for." \
            'Point LIBTORCH to an unpacked libtorch or to the folder torch of a Python wheel, or choose again: ./build.sh setup -p:TorchSharpProvider=system'
        libtorch=$(cd "$libtorch" && pwd)
    fi
    if [ "$(recorded TorchSharpProvider)" = system ] && is_current "$source" "$libtorch"; then return; fi

    if [ -z "$libtorch" ]; then install_libtorch; libtorch=$found_libtorch; fi
    command -v "${CXX:-g++}" > /dev/null || die "The system provider needs a C++ compiler. Install g++, or name yours in CXX, and run this command again."
    if ! is_current "$source" "$libtorch"; then
        mkdir -p "$native"
        stage native "Compiling the native part over ${libtorch:-libtorch of the system}" \
            bash "$source/build.sh" "$libtorch" "$native/libSystemLibtorch.so"
        fingerprint "$source" "$libtorch" > "$native/fingerprint"
    fi
    record system "$(recorded TorchBackend)" "$libtorch"
    say '  TorchSharp comes from our binding over libtorch.'
    mention_blas
}

has_libtorch() { [ -f "$1/include/ATen/ATen.h" ] && [ -f "$1/lib/libtorch_cpu.so" ]; }

# The native part is compiled again when its source, libtorch or the compiler's flags change.
is_current() { [ -f "$native/libSystemLibtorch.so" ] && [ "$(fingerprint "$1" "$2")" = "$(cat "$native/fingerprint" 2> /dev/null)" ]; }

fingerprint() {
    {
        cat "$1"/*
        cat "${2:-/usr}/include/torch/csrc/api/include/torch/version.h" 2> /dev/null || true
        printf '%s\n' "$2" "${CXX:-}" "${CXXFLAGS:-}" "${LDFLAGS:-}"
    } | cksum
}

# Leaves the root in found_libtorch, empty for the system's own.
install_libtorch() {
    found_libtorch=''
    local missing='' wheel
    if ! system_libtorch; then missing='libtorch-dev'; fi
    if ! command -v "${CXX:-g++}" > /dev/null; then missing="$missing g++"; fi
    if command -v apt-get > /dev/null && ! blas | grep -q openblas; then missing="$missing libopenblas0-openmp"; fi
    if [ -z "$missing" ]; then return; fi

    if can_install; then
        stage apt "Installing $(echo $missing)" apt_install $missing
        if system_libtorch; then return; fi
    fi
    if system_libtorch; then return; fi
    wheel=$(python_wheel)
    if [ -n "$wheel" ]; then found_libtorch=$wheel; return; fi

    die 'TorchSharp could not be had on this machine, neither from NuGet nor over a libtorch of the system. One of these is enough:' \
        '  * a network that reaches nuget.org, then run this command again;' \
        '  * Debian or Ubuntu:  sudo apt-get install libtorch-dev libopenblas0-openmp g++' \
        '  * any Linux:         unpack libtorch from https://pytorch.org and run  LIBTORCH=/path/to/libtorch ./build.sh setup'
}

system_libtorch() {
    local prefix library
    for prefix in /usr /usr/local; do
        for library in "$prefix"/lib/*/libtorch_cpu.so "$prefix"/lib{,64}/libtorch_cpu.so; do
            if [ -f "$prefix/include/ATen/ATen.h" ] && [ -f "$library" ]; then return 0; fi
        done
    done
    return 1
}

# Found without importing it, which would take seconds.
python_wheel() {
    local folder
    folder=$(python3 -c 'import importlib.util as u; s = u.find_spec("torch"); print(s.submodule_search_locations[0] if s else "")' 2> /dev/null || true)
    if [ -n "$folder" ] && has_libtorch "$folder"; then printf '%s\n' "$folder"; fi
}

can_install() { command -v apt-get > /dev/null && { [ "$(id -u)" = 0 ] || sudo -n true 2> /dev/null; }; }

apt_install() {
    local as_root=''
    if [ "$(id -u)" != 0 ]; then as_root='sudo -n'; fi
    local install="$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends"
    $install "$@" || { $as_root apt-get update && $install "$@"; }
}

# blas: the library behind libblas.so.3, as the alternatives select it.
blas() { readlink -f /usr/lib/*/libblas.so.3 2> /dev/null | head -n 1 || true; }

mention_blas() {
    case $(blas) in
        *openblas-openmp* | '') ;;
        *openblas*) say '  Note: libblas is an OpenBLAS with a thread pool of its own, which gets in the way of libtorch'\''s. libopenblas0-openmp shares one.' ;;
        *) say '  Note: libblas is not OpenBLAS, so matrix products will be slow. libopenblas0-openmp is much faster.' ;;
    esac
}
