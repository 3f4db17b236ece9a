# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
# What tests do in the guest again and again; `. lib.sh` first. Each function says on stderr what
# was wrong, and fails.

fail() {
    echo "$*" >&2
    return 1
}

# await SECONDS COMMAND...: until the command succeeds.
await() {
    read -r now _ </proc/uptime
    end=$((${now%.*} + $1))
    shift
    until "$@"; do
        read -r now _ </proc/uptime
        [ "${now%.*}" -le "$end" ] || return 1
        sleep 0.05
    done
}

# in_ns NAMESPACE COMMAND...: "" is the guest's own. Not `ip netns exec`, which mounts a /sys first.
in_ns() {
    if [ -n "$1" ]; then
        ns=/run/netns/$1
        shift
        nsenter --net="$ns" "$@"
    else
        shift
        "$@"
    fi
}

has_carrier() {
    case $(in_ns "$1" ip -br link show dev "$2" 2>/dev/null) in
    *LOWER_UP*) ;;
    *) return 1 ;;
    esac
}

# await_carrier NAMESPACE LINK...: they are up already.
await_carrier() {
    where=$1
    shift
    for link in "$@"; do
        await 60 has_carrier "$where" "$link" ||
            fail "no carrier in 60 s: $(in_ns "$where" ip link show dev "$link" 2>&1)" || return 1
    done
}

answers() {
    in_ns "$1" ping -n -q -c 1 -W 1 "$2" >/dev/null 2>&1
}

# await_answer NAMESPACE ADDRESS: the first packets are lost while switches and neighbours learn.
await_answer() {
    await 60 answers "$1" "$2" || fail "$2 doesn't answer namespace '$1' in 60 s"
}

device_of() {
    echo "/sys/class/net/$1/device"
}

all_vfs_named() {
    for vf in "$1"/virtfn*; do
        [ -d "$vf/net" ] && [ -n "$(ls "$vf/net")" ] || return 1
    done
}

# make_vfs PF COUNT: exactly so many, new ones, bound to their driver; prints a line "address link"
# for each.
make_vfs() {
    device=$(device_of "$1")
    # VFs of a PF that is down never have a carrier.
    ip link set "$1" up || return 1
    await_carrier "" "$1" || return 1
    echo 0 >"$device/sriov_numvfs" || return 1
    [ "$2" -gt 0 ] || return 0
    echo "$2" >"$device/sriov_numvfs" || return 1
    await 60 all_vfs_named "$device" || fail "$1: not every VF has a network device in 60 s" || return 1
    i=0
    while [ "$i" -lt "$2" ]; do
        echo "$(basename "$(readlink "$device/virtfn$i")") $(ls "$device/virtfn$i/net")"
        i=$((i + 1))
    done
}

# bind_driver ADDRESS DRIVER: "" is the one that the kernel would choose.
bind_driver() {
    pci=/sys/bus/pci/devices/$1
    echo "$2" >"$pci/driver_override" || return 1
    [ ! -e "$pci/driver" ] || echo "$1" >"$pci/driver/unbind" || return 1
    echo "$1" >/sys/bus/pci/drivers_probe || return 1
    [ -e "$pci/driver" ] || fail "$1 has no driver"
}

# A card that was in a namespace comes back under the name that it had there.
cards_named() {
    for link in /sys/class/net/*; do
        case $(cat "$link/address") in
        52:54:00:00:01:00) card=pf0 ;;
        52:54:00:00:02:00) card=pf1 ;;
        52:54:00:00:99:00) card=wire ;;
        *) continue ;;
        esac
        [ "${link##*/}" = "$card" ] || ip link set "${link##*/}" name "$card"
    done
    for card in pf0 pf1 wire; do
        [ -e /sys/class/net/$card ] || return 1
    done
}

# Every namespace, VF, software link, simulated NIC and RDMA device is gone, and the cards are as
# after booting.
reset_guest() {
    for ns in $(ip netns list | cut -d' ' -f1); do
        # A process in it would keep it, and with it the VF.
        ip netns pids "$ns" | xargs -r kill -9
        ip netns del "$ns"
    done
    for each in /sys/class/infiniband/*; do
        [ ! -e "$each" ] || rdma link del "${each##*/}"
    done
    for each in /sys/bus/netdevsim/devices/netdevsim*; do
        [ ! -e "$each" ] || echo "${each##*netdevsim}" >/sys/bus/netdevsim/del_device
    done
    for kind in veth bridge dummy vxlan; do
        ip -o link show type $kind | sed 's/^[0-9]*: \([^@:]*\).*/\1/' | while read -r link; do
            ip link del "$link" 2>/dev/null || :  # a veth goes with its peer
        done
    done
    await 60 cards_named || fail "pf0, pf1 and wire are not all back in 60 s" || return 1
    for card in pf0 pf1 wire; do
        count=$(device_of $card)/sriov_numvfs
        [ ! -e "$count" ] || [ "$(cat "$count")" = 0 ] || echo 0 >"$count"
        ip addr flush dev $card
    done
}
