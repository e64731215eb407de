# What every command needs: the SDK, and the packages of what it builds.

require_dotnet() {
    if ! command -v dotnet > /dev/null && [ -x "$HOME/.dotnet/dotnet" ]; then PATH="$HOME/.dotnet:$PATH"; fi
    if ! dotnet --list-sdks 2> /dev/null | awk -F. '$1 >= 10 { found = 1 } END { exit !found }'; then
        die 'This needs the .NET SDK 10 or newer: install it from https://dotnet.microsoft.com/download/dotnet/10.0 and run this command again.'
    fi
    export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_CLI_UI_LANGUAGE=en
}

# provide_mpi: what the tests of several processes start; installed where that needs nobody, else they are skipped, by name.
provide_mpi() {
    if command -v mpiexec.mpich > /dev/null || command -v mpiexec.hydra > /dev/null; then return; fi
    if ! command -v apt-get > /dev/null || [ "$(id -u)" != 0 ] || ! attempt mpich apt_install mpich; then
        say '  No mpiexec of MPICH: tests of several processes are skipped. Install it with: apt-get install mpich'
    fi
}

apt_install() { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"; }

# restore PROJECT ARGS...: its packages, or one sentence that says which is missing and why.
restore() {
    local project=$1 log="$logs/restore.log" started=$SECONDS reason
    shift
    printf '  %-58s ' 'Restoring packages'
    if attempt restore dotnet restore "$root/$project" -v minimal "$@"; then
        printf 'ok  %3d s\n' $((SECONDS - started))
        return
    fi
    printf 'failed\n'
    reason=$(sed -n 's/.*error \([A-Z]*[0-9]*\): \(.*\)/\2 (\1)/p' "$log" | sed -E 's/ \[[^]]*(proj|sln)\]//' | head -n 1)
    die "Packages could not be restored: ${reason:-the whole output is in artifacts/logs/restore.log.}"
}
