# How the build speaks: one line a stage, the whole output in a log, the end of the log when a stage fails.

logs="$root/artifacts/logs"

# say TEXT: a line of its own.
say() { printf '%s\n' "$*"; }

# die TEXT...: what is wrong and what to do, then the end.
die() {
    printf '\n' >&2
    printf '%s\n' "$@" >&2
    exit 1
}

# stage NAME TEXT COMMAND...: runs the command quietly; its output is in artifacts/logs/NAME.log.
stage() {
    local name=$1 text=$2 started=$SECONDS
    shift 2
    printf '  %-58s ' "$text"
    if attempt "$name" "$@"; then
        printf 'ok  %3d s\n' $((SECONDS - started))
    else
        printf 'failed\n'
        tail -n 40 "$logs/$name.log" >&2
        die "$text: failed. The whole output is in artifacts/logs/$name.log."
    fi
}

# attempt NAME COMMAND...: like stage, but says nothing and leaves the judgement to the caller.
attempt() {
    local name=$1
    shift
    mkdir -p "$logs"
    "$@" > "$logs/$name.log" 2>&1 < /dev/null
}
