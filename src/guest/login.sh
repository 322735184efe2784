# What decides whether the next login works: noted before a session's steps, and looked at after them. Part of
# the driver, which sets user (the login user), key (the lab's public key, a line of authorized_keys; may be empty), nl.
#
# One program is started for each look (stat), since each costs an emulated guest 20 to 40 ms.

# home_of_user: the login user's home folder into $home; fails where there is none.
home_of_user() {
	case $user in *[!A-Za-z0-9._-]* | '') return 1 ;; esac
	eval "home=~$user"
	case $home in /*) [ -d "$home" ] ;; *) return 1 ;; esac
}

# has_key: the lab's key is in the login user's authorized_keys.
has_key() {
	blob=${key#* }
	blob=${blob%% *}
	[ -f "$home/.ssh/authorized_keys" ] || return 1
	while IFS= read -r line || [ -n "$line" ]; do
		case $line in
			'#'*) ;;
			*"$blob"*) return 0 ;;
		esac
	done <"$home/.ssh/authorized_keys"
	return 1
}

# look_at_login: a line for each thing that decides a login into $seen, its name last. A new mode, owner, size, inode
# or time of change (ctime: nobody can set it) is another line.
look_at_login() {
	seen=$nl
	# Of a folder its mode and owner count (StrictModes); its time changes with every file in it.
	while read -r mode owner its_group rest; do
		case $rest in
			'') continue ;;
			*" $home" | *" $home/.ssh" | *' /') rest=${rest##* } ;;
		esac
		seen="$seen$mode $owner $its_group $rest$nl"
	done <<-END
	$(stat -L -c '%a %u %g %s %i %z %n' / "$home" "$home/.ssh" "$home"/.ssh/* \
		"$home"/.bashrc "$home"/.zshenv "$home"/.cshrc "$home"/.tcshrc "$home"/.config/fish/config.fish \
		/etc/passwd /etc/shadow /etc/group /etc/nologin /run/nologin /var/run/nologin /etc/nsswitch.conf \
		/etc/ssh/* /etc/ssh/sshd_config.d/* /etc/pam.d/* /etc/security/* /etc/hosts.allow /etc/hosts.deny \
		/etc/sudoers /etc/sudoers.d/* /etc/bash.bashrc /etc/bashrc /etc/zshenv /etc/zsh/zshenv /etc/csh.cshrc \
		/etc/fish/config.fish /etc/environment /bin/sh /bin/bash "$login_shell" 2>/dev/null)
	END
	# Whether stat is there at all, and understands us.
	case $seen in *" /etc/passwd$nl"*) ;; *) seen= ; return ;; esac
	# What listens for ssh (port 22, 0016 in hexadecimal): another socket is an sshd started anew.
	for table in /proc/net/tcp /proc/net/tcp6; do
		[ -r "$table" ] || continue
		while read -r _ local _ status _ _ _ _ _ inode _; do
			case $local/$status in *:0016/0A) seen="$seen$inode sshd$nl" ;; esac
		done <"$table"
	done
	# The firewall's rules use modules of the kernel.
	[ ! -r /proc/modules ] || while read -r name _ uses _; do
		case $name in nf* | *tables* | xt_* | ipt_*) seen="$seen$name $uses firewall$nl" ;; esac
	done </proc/modules
}

# note_login: before the steps.
note_login() {
	home_of_user || return 0
	login_shell=
	while IFS=: read -r name _ _ _ _ _ path; do
		[ "$name" != "$user" ] || login_shell=$path
	done </etc/passwd
	had_key=
	[ -z "$key" ] || ! has_key || had_key=1
	look_at_login
	noted=$seen
	is_noted=1
}

# check_login: after the steps. Puts the lab's key back where they took it, and marks what has changed.
check_login() {
	[ -n "${is_noted-}" ] && home_of_user || return 0
	put_key_back
	look_at_login
	if [ -z "$noted" ] || [ -z "$seen" ]; then
		mark login-changed
		return
	fi
	[ "$noted" != "$seen" ] || return 0
	changed=
	differing "$noted" "$seen"
	differing "$seen" "$noted"
	# shellcheck disable=SC2086 # to be split into words
	mark login-changed $changed
}

# differing LINES OTHERS: adds the names of LINES that are not in OTHERS to $changed.
differing() {
	while IFS= read -r line; do
		[ -n "$line" ] || continue
		case $2 in *"$nl$line$nl"*) continue ;; esac
		case " $changed " in *" ${line##* } "*) ;; *) changed="$changed ${line##* }" ;; esac
	done <<-END
	$1
	END
}

# put_key_back: a provisioner that writes authorized_keys anew (dotfiles, a hardening role) would lock lab out.
put_key_back() {
	[ -n "${had_key-}" ] && [ -d "$home" ] && ! has_key || return 0
	file=$home/.ssh/authorized_keys
	if [ ! -d "$home/.ssh" ]; then
		mkdir -m 700 "$home/.ssh" && chown "$user" "$home/.ssh" || return
	fi
	# A line end first: the last line may lack its own. sshd passes over an empty line.
	(umask 077 && printf '\n%s\n' "$key" >>"$file") && chown "$user" "$file" && mark key-restored
}
