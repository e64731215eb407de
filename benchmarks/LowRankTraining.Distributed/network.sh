#!/usr/bin/env bash
# Runs a program in processes that see each other over links of a limited rate: network.sh COUNT RATE PROGRAM ARGS...
# Each has a network namespace of its own on a bridge. Needs root, iproute2 and mpich.
set -euo pipefail

count=$1 rate=$2
shift 2
bridge=lrt-bridge hosts=''

remove() {
    for ((i = 0; i < count; i++)); do
        ip netns del "lrt-$i" 2> /dev/null || true
        ip link del "lrt-out-$i" 2> /dev/null || true
    done
    ip link del "$bridge" 2> /dev/null || true
    rm -f "${launcher:-}"
}
trap remove EXIT
remove

ip link add "$bridge" type bridge
ip addr add 10.77.0.254/24 dev "$bridge"
ip link set "$bridge" up
for ((i = 0; i < count; i++)); do
    ip netns add "lrt-$i"
    ip link add "lrt-out-$i" type veth peer name eth0 netns "lrt-$i"
    ip link set "lrt-out-$i" master "$bridge" up
    ip -n "lrt-$i" addr add "10.77.0.$((i + 1))/24" dev eth0
    ip -n "lrt-$i" link set eth0 up
    ip -n "lrt-$i" link set lo up
    tc -n "lrt-$i" qdisc add dev eth0 root tbf rate "$rate" burst 256kb latency 100ms
    tc qdisc add dev "lrt-out-$i" root tbf rate "$rate" burst 256kb latency 100ms
    hosts="$hosts${hosts:+,}10.77.0.$((i + 1))"
done

# What mpiexec calls in place of ssh: [-x] HOST COMMAND...
launcher=$(mktemp)
cat > "$launcher" << 'TEXT'
#!/usr/bin/env bash
[ "$1" = -x ] && shift
host=$1
shift
exec ip netns exec "lrt-$((${host##*.} - 1))" bash -c "$*"
TEXT
chmod +x "$launcher"

UCX_TLS=tcp UCX_NET_DEVICES=eth0 FI_PROVIDER=tcp FI_TCP_IFACE=eth0 MPIR_CVAR_NOLOCAL=1 mpiexec.mpich -launcher ssh -launcher-exec "$launcher" -iface "$bridge" -hosts "$hosts" -n "$count" "$@"
