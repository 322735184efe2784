# Runs checks one after another and tells of each what it said and how it ended. Fed to `sh -s`; `lab_check`
# lines follow. POSIX, dash and busybox.
LAB_DIR=$(mktemp -d /tmp/lab-check.XXXXXX) || exit 97
trap 'rm -rf "$LAB_DIR"' EXIT
trap 'exit 98' HUP INT TERM
LAB_SETSID=$(command -v setsid)
# lab_check MARK SECONDS root|user SCRIPT
lab_check() {
    rm -f "$LAB_DIR/late"
    : >"$LAB_DIR/out"
    : >"$LAB_DIR/err"
    if [ "$3" = root ] && [ "$(id -u)" != 0 ]; then
        set -- "$1" "$2" "$4" sudo -n
    else
        set -- "$1" "$2" "$4" env
    fi
    # A session of its own, so that all of it can be ended; what it leaves running in the background keeps nobody.
    $LAB_SETSID "$4" ${5:+"$5"} sh -c "$3" </dev/null >"$LAB_DIR/out" 2>"$LAB_DIR/err" &
    lab_pid=$!
    (
        sleep "$2"
        : >"$LAB_DIR/late"
        # Root's processes end for root alone. The shell's own kill, not the program: with
        # the program of the demo box (Debian 12) our own session ended too.
        lab_kill="kill -9 -$lab_pid; kill -9 $lab_pid"
        if [ -z "$LAB_SETSID" ]; then lab_kill="kill -9 $lab_pid"; fi
        if [ "$4" = sudo ]; then sudo -n sh -c "$lab_kill"; else eval "$lab_kill"; fi
    ) </dev/null >/dev/null 2>&1 &
    lab_watch=$!
    wait "$lab_pid" 2>/dev/null
    lab_status=$?
    kill "$lab_watch" 2>/dev/null
    if [ -e "$LAB_DIR/late" ]; then lab_status=late; fi
    printf '%s out\n' "$1"
    head -c 65536 "$LAB_DIR/out"
    printf '\n%s err\n' "$1"
    tail -c 2048 "$LAB_DIR/err"
    printf '\n%s end %s\n' "$1" "$lab_status"
}
