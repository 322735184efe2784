# Runs a session's steps in a guest, as root, and lets nothing of it outlive the session by accident.
#
# The bootstrap (see payload.rs) has unpacked this file, the plan and the scripts into $dir and reads
# this file into itself. Standard input has been read up to where the host keeps silent: it is the
# life line, and its end means that the host is gone. Standard output leads to the host.
#
# Set before this text, each as one quoted word: token (random), user (the login user), state (the
# folder of the stamps), key (the lab's), insecure (keys to be taken away, one a line); and the functions of login.sh,
# `going_down` and `room`. After it comes the plan: `set_up` where the machine is to be set up, `drop_insecure_keys`,
# `note_login` where there are steps, one line `step` or `copy` for each, `await_restart` after a script that may
# restart the system, and `finish`.
#
# POSIX sh: dash 0.5.5, bash and busybox ash run it. The last may take a word without a slash for one of its
# own commands, so what must be the system's own program is called by its path.

nl='
'
umask 022
cd /
HOME=/root
export HOME
unset SUDO_COMMAND OLDPWD

# mark WORD…: tells the host something, on a line of its own that no script can make up, since it
# does not know the token. The line end in front ends a last line that had none; where it had one, the
# host takes the empty line away. One write, so that no other output gets between.
mark() { printf '\n\001%s %s\n' "$token" "$*" >&4; }

# All output goes through one pipe with a name (it came with the archive) and one relay, and here is why: a service that a script
# starts may keep the script's output open for ever, and sshd ends a session only when nobody holds its
# end. So nobody but the relay holds sshd's end, a step is over when its script has ended, and the mark
# that says so has gone through the same pipe as the script's last words. Standard error goes the same
# way: two pipes would lose the order in which things were said.
exec 3<&0 </dev/null
cat "$dir/output" 3<&- &
relay=$!
exec 4>"$dir/output" 5<"$dir/output" >&4 2>&4

# The host's end. A step that is about to end may, since its last work may be done already; none is begun any more.
main=$$
(
	while read -r _; do :; done
	if [ -d "$dir" ]; then
		echo >"$dir/gone"
		sleep 0.3 || sleep 1
	fi
	kill -TERM "$main"
) <&3 3<&- 4>&- 5<&- >/dev/null 2>&1 &
watcher=$!
exec 3<&-

busy=
number=
ran=
before=
ended=
gone=
# Without it (a very small busybox) a stop reaches the step's own process alone.
own_group=
! command -v setsid >/dev/null || own_group=setsid

# The host is gone, or has heard the last word. A step that runs is stopped with all it started; one
# that has just ended well gets its stamp first, or it would be run again.
stop() {
	gone=1
	[ "$busy" != stamp ] || return 0
	trap '' TERM HUP INT
	# A user's script may have left its last word before its login shell has ended.
	if [ "$busy" = step ] && [ -n "$number" ] && [ -e "$dir/$number/status" ]; then
		read -r status <"$dir/$number/status" || status=
		[ "$status" != 0 ] || { sync; : >"$stamp"; }
	fi
	if [ "$busy" = step ] && [ "$!" != "$before" ]; then
		stop_group "$!"
	fi
	[ -z "${is_noted-}" ] || ! home_of_user || put_key_back
	leave 1
}
trap stop TERM HUP INT

stop_group() {
	kill -TERM "-$1" 2>/dev/null || kill -TERM "$1" 2>/dev/null
	tries=0
	while [ "$tries" -lt 20 ] && kill -0 "-$1" 2>/dev/null; do
		tries=$((tries + 1))
		sleep 0.1 2>/dev/null || sleep 1
	done
	kill -KILL "-$1" 2>/dev/null
}

# leave STATUS: what is still said by services that a script left behind is drunk up for as long as
# they live; with nobody reading they would be killed by their next word, or wait for ever.
leave() {
	exec >/dev/null 2>&1 4>&-
	cat <&5 &
	exec 5<&-
	kill "$watcher" "$relay"
	[ -n "$ended" ] || rm -rf "$dir"
	exit "$1"
}

# run COMMAND…: runs it in a process group of its own with the session's output; its status.
run() {
	before=$!
	busy=step
	$own_group "$@" </dev/null 4>&- 5<&- &
	wait "$!"
	status=$?
	busy=stamp
	return "$status"
}

# begin NUMBER ID FORCE: fails where the step has been done before.
begin() {
	[ ! -e "$dir/gone" ] || stop
	ran=
	stamp=$state/steps/$2
	if [ -e "$stamp" ]; then
		if [ "$3" = 0 ]; then
			mark skipped "$1"
			return 1
		fi
		rm -f "$stamp"
	fi
	mark started "$1"
}

# end NUMBER STATUS: the stamp is made when all that the step wrote is on the disk, so a power cut may
# lose the stamp (and the step is run again), and never the step.
end() {
	if [ "$2" != 0 ]; then
		busy=
		# What is stopped because the system goes down has not failed by itself.
		! going_down || await_end
		mark failed "$1" "$2"
		finish
	fi
	sync
	: >"$stamp" || {
		busy=
		mark failed "$1" stamp
		finish
	}
	busy=
	[ -z "$gone" ] || stop
	mark finished "$1"
	ran=1
}

# step NUMBER ID FORCE root|user COMMAND…: runs the command, whose files are in $dir/NUMBER.
step() {
	begin "$1" "$2" "$3" || return 0
	number=$1 who=$4
	shift 4
	if [ "$who" = root ]; then
		run "$@"
		end "$number" "$?"
	else
		as_user
		end "$number" "$status"
	fi
}

# as_user: runs $dir/$number/run as after a login: the user's own shell reads its profile. sudo and not su, which
# would make a session of its own that the stop of the process group does not reach. $status becomes what the script
# itself has left: `shell` where it has not begun (a profile may end, or start another shell), and `lost` where it
# has begun and its end is not known.
as_user() {
	chown -R "$user" "$dir/$number"
	case ${login_shell##*/} in
		# sudo puts a backslash before each slash and dot, which is a quote for all shells but these.
		rc | es | nu) run sudo -n -H -u "$user" "$login_shell" -l -c "/bin/sh $dir/$number/run" ;;
		*) run sudo -n -i -u "$user" /bin/sh "$dir/$number/run" ;;
	esac
	outer=$status
	if [ ! -e "$dir/$number/status" ]; then
		status=shell
		return
	fi
	read -r status <"$dir/$number/status" || status=
	case $status in
		'' | *[!0-9]*) if [ "$outer" != 0 ]; then status=$outer; else status=lost; fi ;;
	esac
}

# await_restart: after a script that may have asked for a restart, nothing is begun that the restart would cut off.
# Two seconds show whether it comes, where init does not say that it does.
await_restart() {
	[ -n "$ran" ] || return 0
	tries=0
	while [ "$tries" -lt 20 ]; do
		! going_down || await_end
		tries=$((tries + 1))
		sleep 0.1 2>/dev/null || sleep 1
	done
}

# await_end: the system goes down, and this with it. Short sleeps: a signal is seen after each.
await_end() {
	mark going-down
	tries=0
	while [ "$tries" -lt 600 ]; do
		tries=$((tries + 1))
		sleep 0.2 2>/dev/null || sleep 1
	done
}

# copy NUMBER ID FORCE file|folder MODE TO NAME ROOM: unpacks $dir/NUMBER.tar, which takes ROOM KiB (0: little). A
# folder is merged into one that is there, whose mode and owner stay.
copy() {
	begin "$1" "$2" "$3" || return 0
	place "$@"
	end "$1" "$?"
}

place() {
	[ "$8" = 0 ] || room "$8" "$6" || return
	into=${6%/}/ name=
	if [ "$4" = file ] && [ "${6%/}" = "$6" ] && [ ! -d "$6" ]; then
		name=${6##*/}
		into=${6%/*}/
	fi
	if [ ! -d "$into" ]; then
		mkdir -p "$into" || return
		[ "$4" = file ] || chmod "$5" "$into"
	fi
	if [ "$4" = file ]; then
		# Beside its place first, so that it is there whole or not at all.
		run tar -x -p -f "$dir/$1.tar" -C "$into" && mv -f "$into.lab-copy" "$into${name:-$7}"
		return
	fi
	for tar in /bin/tar /usr/bin/tar tar; do
		[ ! -x "$tar" ] || break
	done
	# GNU tar puts a folder in the place of a symlink to one (/lib of a merged /usr!) and gives folders
	# that are there the archive's mode, unless told not to; busybox and tar before 1.27 cannot be told.
	keep=
	if "$tar" --no-overwrite-dir --keep-directory-symlink --version >/dev/null 2>&1; then
		keep='--no-overwrite-dir --keep-directory-symlink'
	elif "$tar" --no-overwrite-dir --version >/dev/null 2>&1; then
		keep=--no-overwrite-dir
	fi
	# shellcheck disable=SC2086 # none, one or two words
	run "$tar" $keep -x -p -f "$dir/$1.tar" -C "$into" && rm -f "$dir/$1.tar"
}

# set_up: runs the set-up script, whose text is in $dir/setup, in a shell of its own that it may end.
set_up() {
	mark setting-up
	( . "$dir/setup" ) 4>&- 5<&-
	status=$?
	if [ "$status" -ne 0 ]; then
		mark set-up-failed "$status"
		finish
	fi
	mark set-up
}

# Vagrant's well-known keys open every box to everybody on its network. They go when the lab's own key is
# known to work: `proven`, it let us in; or `alike`, one of them did, stands in the same file as the
# lab's, and is of the same type (RSA): whatever makes sshd take the one makes it take the other. Where
# the lab's key is not there after all, or they differ, nothing is taken away.
drop_insecure_keys() {
	drop_them "$1" && mark secured || mark unsecured
}

drop_them() {
	case $user in *[!A-Za-z0-9._-]* | '') return 1 ;; esac
	eval "file=~$user/.ssh/authorized_keys"
	[ -f "$file" ] || return 0
	kept= found= others= differ=
	while IFS= read -r line || [ -n "$line" ]; do
		for known in $insecure; do
			case $line in
				"ssh-rsa $known"*) found=1; continue 2 ;;
				*"$known"*) found=1 differ=1; continue 2 ;;
			esac
		done
		case $line in '' | '#'*) ;; *) others=1 ;; esac
		kept=$kept$line$nl
	done <"$file"
	[ -n "$found" ] || return 0
	[ -n "$others" ] || return 1
	[ "$1" = proven ] || [ -z "$differ" ] || return 1
	umask 077
	# Without the sync, a power cut within the next half minute leaves an empty file under the name (the
	# ext3 and ext4 of old kernels, and some of today's mounts), and nobody is let in any more.
	printf '%s' "$kept" >"$file.lab-new" && chown "$user" "$file.lab-new" && sync && mv -f "$file.lab-new" "$file"
	dropped=$?
	umask 022
	return "$dropped"
}

# The last word. The relay ends by itself unless a service holds the pipe; then the host, which has
# heard the mark, hangs up, and the watcher calls `stop`.
finish() {
	check_login
	rm -rf "$dir"
	ended=1
	mark ended
	exec >/dev/null 2>&1 4>&-
	wait "$relay"
	kill "$watcher"
	exit 0
}
