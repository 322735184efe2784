#!/bin/sh
# update-rc.d [-f] NAME defaults|enable [NN]|disable|remove: whether /etc/init.d/NAME starts at boot.
# A small stand-in for Debian's: one runlevel, and an order number in place of dependencies.
[ "$1" != -f ] || shift
name=$1
action=$2
order=${3:-20}
case $order in [0-9][0-9]) ;; *) order=20 ;; esac
case $action in
  defaults | enable | start)
    if [ ! -x "/etc/init.d/$name" ]; then
      echo "update-rc.d: /etc/init.d/$name is not there" >&2
      exit 1
    fi
    rm -f /etc/rc2.d/S[0-9][0-9]"$name"
    ln -s "../init.d/$name" "/etc/rc2.d/S$order$name"
    ;;
  disable | remove) rm -f /etc/rc2.d/S[0-9][0-9]"$name" ;;
  *)
    echo "usage: update-rc.d [-f] NAME defaults|enable [NN]|disable|remove" >&2
    exit 1
    ;;
esac
