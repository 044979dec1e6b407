#!/bin/sh
# Installs the servers and tools that some test suites need, from Debian's packages, and leaves none of them running.
# Quick when all are there. Needs root only when something is missing.
set -eu

packages=
need() {
  command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || packages="$packages $2"
}
need influxd influxdb
need victoria-metrics victoria-metrics
need mosquitto mosquitto
need mosquitto_pub mosquitto-clients
need openssl openssl
need socat socat
need strace strace
# Only for compiling the example sketches anew: the tests run what is compiled.
need avr-gcc gcc-avr
[ -e /usr/lib/avr/include/avr/io.h ] || packages="$packages avr-libc"
[ -d /usr/share/arduino/hardware/arduino/avr/cores ] || packages="$packages arduino-core-avr"

if [ -z "$packages" ]; then
  echo 'test:setup: everything is installed'
  exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
  echo "test:setup: this needs Debian or a system like it; missing here:$packages" >&2
  exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
  echo "test:setup: to install$packages it must run as root: sudo npm run test:setup" >&2
  exit 1
fi

# While this file says 101, Debian's packages start no service. An existing one is left as it is, unless it allows them.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  trap 'rm -f "$policy"' EXIT INT TERM
fi

export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # one word a package
apt-get install -y -q --no-install-recommends $packages </dev/null ||
  { apt-get update -q </dev/null && apt-get install -y -q --no-install-recommends $packages </dev/null; }

# The tests run their own, on the loopback: Debian's would only hold the usual ports, now or after the next boot.
if [ -d /run/systemd/system ]; then
  for service in influxdb victoria-metrics mosquitto; do
    case "$packages" in *"$service"*) systemctl disable --now --quiet "$service" 2>/dev/null || true ;; esac
  done
fi
echo "test:setup: installed$packages"
