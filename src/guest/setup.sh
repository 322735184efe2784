# First-boot set-up of a guest, run as root over one connection; can be run again at any time.
#
# What comes before this text sets, each as one quoted word: hostname, address, prefix, netmask,
# mac (of the private network card), hosts (lines of the hosts file), user, key (its line in
# authorized_keys), archived (lines of sources.list, each behind the release that it is for), root (empty;
# a folder in tests). The session has set epoch (seconds, the host's
# clock) when we were let in.
#
# POSIX sh: dash 0.5.5, bash and busybox ash run it. A fork costs milliseconds in an emulated guest,
# so files are read and compared by the shell itself, and what is right already is left alone.
# Files that were there are replaced whole (a new file, then mv), so a power cut leaves the old or the new.

nl='
'
umask 022

say() { printf 'lab: %s\n' "$*"; }
die() { say "$*"; exit 1; }

# have NAME: it is on PATH as a file. busybox's shell would say yes to what is not installed but built into it.
have() {
	IFS=:
	for folder in $PATH; do
		[ ! -x "$folder/$1" ] || { unset IFS; return 0; }
	done
	unset IFS
	return 1
}

# Sets the clock where it is wrong: after a suspend, or where a guest takes the hardware's clock for
# local time, certificates and `make` fail. Done here, before the shell has read the rest of this text,
# since $epoch gets older meanwhile. A second is not worth a jump.
set_clock() {
	now=$(date +%s) || return 0
	behind=$((epoch - now))
	if [ "$behind" -gt 1 ] || [ "$behind" -lt -1 ]; then
		date -u -s "@$epoch" >/dev/null && say "set the clock: it was $behind s behind"
	fi
	return 0
}
set_clock </dev/null

# slurp FILE: its text into $text, empty where there is none. A line end that its last line lacks is
# put there, and $unended is set.
slurp() {
	text= unended=
	[ -r "$1" ] || return 0
	while IFS= read -r line || { [ -n "$line" ] && unended=1; }; do text=$text$line$nl; done <"$1"
}

# put FILE TEXT [UMASK]: writes it where it is not so already, and then sets $changed; ends it all where
# that is not possible.
put() {
	slurp "$1"
	[ -f "$1" ] && [ "$text" = "$2" ] && return 0
	umask "${3:-022}"
	printf '%s' "$2" >"$1.lab-new" && mv -f "$1.lab-new" "$1" || die "could not write $1"
	umask 022
	changed=1
	say "wrote ${1#"$root"}"
}

# Every machine of the lab by name. The own name must lead to the private address, as it does for the
# others: distributions bind it to 127.0.1.1, and then a server that listens on its own name is alone.
set_hosts() {
	slurp "$root/etc/hosts"
	old=$text kept= inside=
	while IFS= read -r line; do
		case $line in
			'# lab BEGIN') inside=1; continue ;;
			'# lab END') inside=; continue ;;
		esac
		[ -z "$inside" ] || continue
		case $line in
			127.*"$hostname"* | ::1*"$hostname"*) without_own_name "$line" || continue ;;
		esac
		kept=$kept$line$nl
	done <<-END
	${old%"$nl"}
	END
	[ -n "$old" ] || kept="127.0.0.1 localhost$nl"
	put "$root/etc/hosts" "$kept# lab BEGIN$nl$hosts$nl# lab END$nl"
}

# without_own_name LINE: the line in $line, less the words that are this host's name; fails when
# nothing but the address is left.
without_own_name() {
	address_of= names= dropped=
	set -f
	for word in ${1%%#*}; do
		if [ -z "$address_of" ]; then
			address_of=$word
			continue
		fi
		case $word in
			"$hostname" | "$hostname".*) dropped=1 ;;
			*) names="$names $word" ;;
		esac
	done
	set +f
	[ -n "$dropped" ] || return 0
	line=$address_of$names
	[ -n "$names" ]
}

set_hostname() {
	put "$root/etc/hostname" "$hostname$nl"
	read -r running <"$root/proc/sys/kernel/hostname" || running=
	if [ "$running" != "$hostname" ]; then
		printf '%s\n' "$hostname" >"$root/proc/sys/kernel/hostname" || hostname "$hostname" ||
			die "could not set the host name"
	fi
	# Or cloud-init puts its own name and hosts file back at the next boot.
	if [ -d "$root/etc/cloud/cloud.cfg.d" ]; then
		put "$root/etc/cloud/cloud.cfg.d/99-lab.cfg" "preserve_hostname: true${nl}manage_etc_hosts: false$nl"
	fi
}

# The lab's key, for the login user. The box's own key goes later, when this one has proven to work.
set_key() {
	case $user in *[!A-Za-z0-9._-]* | '') die "not a user's name: $user" ;; esac
	eval "home=~$user"
	case $home in
		/*) home=$root$home ;;
		*) die "the user $user has no home folder" ;;
	esac
	file=$home/.ssh/authorized_keys
	slurp "$file"
	case $nl$text in *"$nl$key$nl"*) return 0 ;; esac
	if [ ! -d "$home/.ssh" ]; then
		mkdir -m 700 "$home/.ssh" || die "could not create $home/.ssh"
		chown "$user" "$home/.ssh"
	fi
	[ -f "$file" ] || { (umask 077 && : >"$file") && chown "$user" "$file"; }
	printf '%s\n' "${unended:+$nl}$key" >>"$file" || die "could not write $file"
	say "added the lab's key to ~$user/.ssh/authorized_keys"
}

# A release that left the main mirrors has its packages in an archive, to which apt is led: of sources.list,
# the lines that name another host of the archive's domain are put out of use. A mirror of one's own stays.
set_sources() {
	file=$root/etc/apt/sources.list release= ours= archive=
	[ -n "$archived" ] && [ -f "$file" ] && [ -r "$root/etc/lsb-release" ] || return 0
	while IFS='=' read -r name value; do
		[ "$name" != DISTRIB_CODENAME ] || release=$value
	done <"$root/etc/lsb-release"
	while IFS= read -r line; do
		case $line in
			"$release deb "*)
				ours=$ours${line#"$release "}$nl
				host_of_source "${line#"$release "}"
				archive=$host
				;;
		esac
	done <<-END
	$archived
	END
	[ -n "$ours" ] || return 0
	slurp "$file"
	old=$text kept= dropped=
	while IFS= read -r line; do
		host_of_source "$line"
		case $host in
			"$archive") ;;
			*".${archive#*.}") line="# lab: $line" dropped=1 ;;
		esac
		kept=$kept$line$nl
	done <<-END
	${old%"$nl"}
	END
	[ -z "$dropped" ] || put "$file" "$kept# $release left the main mirrors:$nl$ours"
}

# host_of_source LINE: the host that a line of sources.list names, into $host.
host_of_source() {
	host=
	case $1 in
		deb\ *://* | deb-src\ *://*)
			host=${1#*://}
			host=${host%%/*}
			host=${host##*@}
			;;
	esac
}

# The private card's name into $nic. Its driver may still be loading, or udev renaming it.
find_nic() {
	tries=0
	while :; do
		for folder in "$root"/sys/class/net/*; do
			# A bridge, bond or VLAN on top has the same address; only the card has a device.
			[ -e "$folder/device" ] || continue
			read -r found <"$folder/address" 2>/dev/null || continue
			if [ "$found" = "$mac" ]; then
				nic=${folder##*/}
				return 0
			fi
		done
		tries=$((tries + 1))
		[ "$tries" -lt 50 ] || die "no network card has the address $mac"
		sleep 0.1 2>/dev/null || sleep 1
	done
}

# Which of the ways to configure a network this guest uses, into $style.
find_style() {
	style=none
	set -- "$root"/etc/netplan/*.y*ml "$root"/run/netplan/*.y*ml "$root"/lib/netplan/*.y*ml
	for file; do
		if [ -f "$file" ] && have netplan; then style=netplan; return; fi
	done
	slurp "$root/etc/network/interfaces"
	case " $text" in
		*[![:alnum:]]"$nic"[![:alnum:]]*) ! have ifup || { style=ifupdown; return; } ;;
	esac
	if [ -d "$root/run/NetworkManager" ] && have nmcli; then style=networkmanager
	elif [ -e "$root/run/systemd/netif/state" ] && have networkctl; then style=networkd
	elif [ -n "$text" ] && have ifup; then style=ifupdown
	fi
}

# The address after the next boot, in the system's own way; nothing else of its network is touched.
keep_address() {
	case $style in
		netplan)
			# Its name makes the files that netplan makes of it win over a box's own "all cards by DHCP".
			put "$root/etc/netplan/60-lab.yaml" "# Written by lab.
network:
  version: 2
  ethernets:
    00-lab:
      match: {macaddress: \"$mac\"}
      dhcp4: false
      optional: true
      addresses: [\"$address/$prefix\"]
" 077
			;;
		networkmanager)
			put "$root/etc/NetworkManager/system-connections/lab-private.nmconnection" "# Written by lab.
[connection]
id=lab-private
uuid=6c616200-0000-4000-8000-$(hex_of_mac)
type=ethernet
autoconnect-priority=100

[ethernet]
mac-address=$mac

[ipv4]
method=manual
address1=$address/$prefix
never-default=true

[ipv6]
method=ignore
" 077
			;;
		networkd)
			put_network_file "$root/etc/systemd/network/00-lab.network"
			;;
		ifupdown)
			for file in "$root"/etc/network/interfaces.d/*; do
				[ ! -f "$file" ] || rewrite_interfaces "$file" ''
			done
			rewrite_interfaces "$root/etc/network/interfaces" "# lab BEGIN
auto $nic
iface $nic inet static
    address $address
    netmask $netmask
# lab END
"
			;;
		none) say "this guest's way to configure a network is not known: $address is gone after a reboot" ;;
	esac
}

# put_network_file FILE: what systemd-networkd reads. It must not wait for this card, or services that
# want the network come two minutes late.
put_network_file() {
	put "$1" "# Written by lab.
[Match]
MACAddress=$mac

[Link]
RequiredForOnline=no

[Network]
Address=$address/$prefix
"
}

# Runs in a subshell of its own: IFS is changed.
hex_of_mac() {
	IFS=:
	# shellcheck disable=SC2086 # to be split at the colons
	printf '%s' $mac
}

# rewrite_interfaces FILE BLOCK: takes out what FILE says of the card for IPv4, and an older block of
# ours, and puts BLOCK at the end.
rewrite_interfaces() {
	file=$1 block=$2
	slurp "$file"
	[ -n "$text" ] || [ -n "$block" ] || return 0
	old=$text kept= inside= ours=
	while IFS= read -r line; do
		case $line in
			'# lab BEGIN') inside=1; continue ;;
			'# lab END') inside= ours=; continue ;;
		esac
		[ -z "$inside" ] || continue
		set -f
		# shellcheck disable=SC2086 # to be split into words
		set -- $line
		set +f
		case ${1-} in
			iface)
				ours=
				[ "${2-}" != "$nic" ] || [ "${3-inet}" != inet ] || ours=1
				;;
			auto | allow-*)
				ours=
				without_nic "$@" || continue
				;;
			mapping | source | source-directory | rename | template | no-auto-down | no-scripts) ours= ;;
		esac
		[ -z "$ours" ] || continue
		kept=$kept$line$nl
	done <<-END
	${old%"$nl"}
	END
	[ -n "$old" ] || kept=
	put "$file" "$kept$block"
}

# without_nic auto NAME…: the line in $line, less the card; fails when no name is left.
without_nic() {
	first=$1 names= dropped=
	shift
	for name; do
		if [ "$name" = "$nic" ]; then dropped=1; else names="$names $name"; fi
	done
	[ -n "$dropped" ] || return 0
	line=$first$names
	[ -n "$names" ]
}

# The address now. A system that watches its cards is told, where it would else take the address away
# again, or still ask for one by DHCP. netplan is not: its part at boot reads the new file, `netplan
# apply` would take NIC 1 down and our connection with it, and `netplan generate` takes an emulated
# guest seconds. Until then, networkd gets what netplan would make of it, under the same name.
bring_up() {
	case ${changed:+$style} in
		networkmanager)
			nmcli connection load /etc/NetworkManager/system-connections/lab-private.nmconnection >/dev/null &&
				nmcli -w 20 connection up lab-private >/dev/null || say "NetworkManager does not manage $nic"
			;;
		netplan | networkd)
			if [ "$style" = netplan ] && [ -d "$root/run/systemd/network" ]; then
				put_network_file "$root/run/systemd/network/10-netplan-00-lab.network"
			fi
			networkctl reload >/dev/null 2>&1 || : # systemd before 244 has none; it sees the file at the next boot
			;;
	esac
	tries=0
	until address_is_up; do
		tries=$((tries + 1))
		[ "$tries" -le 30 ] || die "$nic did not take the address $address"
		[ "$tries" -eq 1 ] || sleep 0.1 2>/dev/null || sleep 1
		set_address
	done
}

# The card is up, with our address and no other (an older one of ours). What it has is in $shown.
address_is_up() {
	have ip || [ "$tries" -eq 0 ] || return 0
	shown=$(ip -o -4 addr show dev "$nic" 2>/dev/null)
	read -r flags <"$root/sys/class/net/$nic/flags" && [ $((flags & 1)) -eq 1 ] || return 1
	case $shown in
		*"$nl"*) return 1 ;;
		*" inet $address/$prefix "*) return 0 ;;
		*) return 1 ;;
	esac
}

set_address() {
	if have ip; then
		[ -z "$shown" ] || ip -4 addr flush dev "$nic"
		# The system may have been faster, between our look and here.
		said=$(ip addr add "$address/$prefix" broadcast + dev "$nic" 2>&1) || address_is_up ||
			say "could not set the address of $nic: $said"
		ip link set "$nic" up
	else
		ifconfig "$nic" "$address" netmask "$netmask" up || say "could not set the address of $nic"
	fi
}

main() {
	set_key
	set_hosts
	set_hostname
	set_sources
	find_nic
	find_style
	changed=
	keep_address
	bring_up
	say "$hostname is $address on $nic ($style)"
}

# This text comes on standard input: what runs here must not read the rest of it.
main </dev/null
exit 0
