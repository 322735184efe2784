# Sourced by the scripts beside it: installs Debian or Ubuntu packages, saying which.
# On macOS and elsewhere it says what to install by hand.

say() { printf '%s\n' "$*" >&2; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else say "error: this needs root, and there is no sudo: $*"; return 1
  fi
}

# install_packages FILE…: installs what these lists name and is not there yet.
install_packages() {
  local wanted missing=() name version
  wanted=$(sed 's/#.*//' "$@")
  if ! command -v apt-get >/dev/null; then
    if [ "$(uname)" = Darwin ]; then
      say "On macOS: brew install qemu"
      say "The demo box is built from Debian packages: build it on a Debian or Ubuntu computer (boxes/demo/build)"
      say "and bring the file: lab box add demo FILE"
    else
      say "No apt-get here: install what corresponds to:" $wanted
    fi
    return 1
  fi
  for name in $wanted; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || missing+=("$name")
  done
  [ ${#missing[@]} = 0 ] && return 0
  say "Installing Debian packages: ${missing[*]}"
  as_root apt-get update -q >&2
  case " ${missing[*]} " in
    *" qemu-system-x86 "*)
      # A qemu-utils from elsewhere (backports) may conflict with the release's own QEMU: take both
      # in the version that apt would install.
      version=$(apt-cache policy qemu-system-x86 | sed -n 's/^ *Candidate: //p')
      missing+=("qemu-system-x86=$version" "qemu-utils=$version")
      ;;
  esac
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends --allow-downgrades \
    "${missing[@]}" >&2
}
